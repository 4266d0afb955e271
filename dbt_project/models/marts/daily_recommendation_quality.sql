select
    prediction_date,
    item_kind,
    path,
    model_version,
    count(*) as responses,
    count(distinct user_id) as users,
    sum(items)::bigint as items,
    sum(impressions)::bigint as impressions,
    sum(clicks)::bigint as clicks,
    sum(hides)::bigint as hides,
    sum(clicks)::double precision / nullif(sum(impressions), 0) as click_through,
    percentile_cont(0.5) within group (order by latency_ms) as median_latency_ms,
    percentile_cont(0.95) within group (order by latency_ms) as p95_latency_ms
from {{ ref('fct_recommendations') }}
group by prediction_date, item_kind, path, model_version
