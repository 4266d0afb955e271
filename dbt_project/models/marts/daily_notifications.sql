select
    (sent.created_at at time zone 'UTC')::date as sent_date,
    sent.kind,
    count(*) as sent,
    count(distinct sent.user_id) as recipients,
    count(sent.read_at) as opened,
    count(sent.read_at)::double precision / count(*) as open_rate,
    percentile_cont(0.5) within group (order by extract(epoch from sent.read_at - sent.created_at)::double precision)
        as median_seconds_to_open,
    percentile_cont(0.95) within group (order by extract(epoch from sent.read_at - sent.created_at)::double precision)
        as p95_seconds_to_open
from {{ ref('stg_notifications') }} as sent
where {{ is_included('sent.user_id') }}
group by 1, 2
