{{ config(indexes=[{'columns': ['item_kind', 'created_at']}]) }}

select
    'post' as item_kind,
    posts.post_id as item_id,
    {{ if_not_erased('posts.author_id') }} as owner_id,
    posts.connector_id,
    connectors.category,
    concat_ws(E'\n', posts.title, posts.content) as text,
    posts.created_at,
    true as is_open,
    null::timestamptz as starts_at,
    null::timestamptz as closed_at,
    null::numeric(18, 4) as price,
    null::text as currency
from {{ ref('stg_posts') }} as posts
inner join {{ ref('stg_connectors') }} as connectors using (connector_id)
where posts.is_active and connectors.is_active and connectors.is_public
union all
select
    'connector',
    connector_id,
    {{ if_not_erased('founder_id') }},
    connector_id,
    category,
    concat_ws(E'\n', name, category, description),
    created_at,
    true,
    null,
    null,
    null,
    null
from {{ ref('stg_connectors') }}
where is_active and is_public
union all
select
    'event',
    events.id,
    {{ if_not_erased('events.created_by') }},
    events.connector_id,
    connectors.category,
    concat_ws(E'\n', events.title, events.description),
    events.created_at,
    events.is_active
        and events.start_date > now()
        and (events.max_attendees is null or coalesce(events.attendee_count, 0) < events.max_attendees),
    events.start_date,
    case when events.is_active then events.start_date else least(events.start_date, events.updated_at) end,
    null,
    null
from {{ ref('stg_events') }} as events
inner join {{ ref('stg_connectors') }} as connectors using (connector_id)
where connectors.is_active and connectors.is_public
union all
select
    'item',
    items.id,
    {{ if_not_erased('items.seller_id') }},
    items.connector_id,
    connectors.category,
    concat_ws(E'\n', items.title, items.category, items.description),
    items.created_at,
    items.is_active and items.status = 'available',
    null,
    case when not items.is_active or items.status = 'sold' then items.updated_at end,
    items.price,
    items.currency
from {{ ref('stg_marketplace_items') }} as items
inner join {{ ref('stg_connectors') }} as connectors using (connector_id)
where connectors.is_active and connectors.is_public
