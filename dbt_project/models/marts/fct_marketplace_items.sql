{{ config(indexes=[{'columns': ['item_id'], 'unique': true}, {'columns': ['seller_id']}]) }}

with sales as (
    -- At most one purchase of an item is not canceled.
    select item_id, price, currency, status, created_at, updated_at
    from {{ ref('stg_marketplace_purchases') }}
    where status <> 'cancelled'
),

views as (
    select item_id, count(*) as viewers
    from {{ ref('stg_marketplace_item_views') }} as seen
    where {{ is_included('seen.user_id') }}
    group by item_id
)

select
    items.id as item_id,
    items.connector_id,
    {{ if_included('items.seller_id') }} as seller_id,
    items.category,
    items.condition,
    items.price as price,
    items.currency,
    items.status,
    not items.is_active and items.status <> 'sold' as is_withdrawn,
    items.created_at as listed_at,
    coalesce(views.viewers, 0) as viewers,
    sales.created_at as agreed_at,
    case when sales.status = 'completed' then sales.updated_at end as sold_at,
    case when sales.status = 'completed' then sales.price end as sold_price,
    case when sales.status = 'completed' then sales.currency end as sold_currency,
    case
        when sales.status = 'completed'
            then extract(epoch from sales.updated_at - items.created_at)::double precision / 3600
    end as hours_to_sale
from {{ ref('stg_marketplace_items') }} as items
left join sales on sales.item_id = items.id
left join views on views.item_id = items.id
