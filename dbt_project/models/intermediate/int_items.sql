-- Items that belong to a connector.
select
    'post' as item_kind,
    post_id as item_id,
    connector_id
from {{ ref('stg_posts') }}
union all
select
    'connector',
    connector_id,
    connector_id
from {{ ref('stg_connectors') }}
union all
select
    'event',
    id,
    connector_id
from {{ ref('stg_events') }}
union all
select
    'item',
    id,
    connector_id
from {{ ref('stg_marketplace_items') }}
union all
select
    'story',
    id,
    connector_id
from {{ ref('stg_stories') }}
union all
select
    'reel',
    id,
    connector_id
from {{ ref('stg_reels') }}
