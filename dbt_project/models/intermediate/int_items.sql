-- Everything a person can act on, with the connector and the category it belongs to.
select
    'post' as item_kind,
    posts.post_id as item_id,
    posts.connector_id,
    connectors.category
from {{ ref('stg_posts') }} as posts
left join {{ ref('stg_connectors') }} as connectors using (connector_id)
union all
select
    'connector',
    connector_id,
    connector_id,
    category
from {{ ref('stg_connectors') }}
