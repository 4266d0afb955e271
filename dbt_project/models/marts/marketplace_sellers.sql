with sales as (
    select
        seller_id as user_id,
        currency,
        count(*) as listed,
        count(sold_at) as sold,
        coalesce(sum(sold_price) filter (where sold_currency = currency), 0) as revenue,
        percentile_cont(0.5) within group (order by hours_to_sale) as median_hours_to_sale,
        min(listed_at) as first_listed_at,
        max(sold_at) as last_sold_at
    from {{ ref('fct_marketplace_items') }}
    where seller_id is not null
    group by seller_id, currency
),

ratings as (
    select seller_id as user_id, count(*) as reviews, avg(rating)::double precision as mean_rating
    from {{ ref('stg_seller_reviews') }} as reviews
    where is_active and {{ is_included('reviews.buyer_id') }}
    group by seller_id
)

select
    sales.user_id,
    sales.currency,
    sales.listed,
    sales.sold,
    sales.revenue,
    sales.median_hours_to_sale,
    sales.first_listed_at,
    sales.last_sold_at,
    coalesce(ratings.reviews, 0) as reviews,
    ratings.mean_rating
from sales
left join ratings using (user_id)
