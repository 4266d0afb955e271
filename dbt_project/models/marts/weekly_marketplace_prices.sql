select
    date_trunc('week', listed_at at time zone 'UTC')::date as week_start,
    category,
    currency,
    count(*) as listed,
    count(distinct seller_id) as sellers,
    count(sold_at) as sold,
    count(sold_at)::double precision / count(*) as sold_share,
    percentile_cont(0.5) within group (order by price)::double precision as median_price,
    percentile_cont(0.5) within group (order by sold_price) filter (where sold_currency = currency)::double precision
        as median_sold_price,
    percentile_cont(0.5) within group (order by hours_to_sale) as median_hours_to_sale
from {{ ref('fct_marketplace_items') }}
group by 1, 2, 3
