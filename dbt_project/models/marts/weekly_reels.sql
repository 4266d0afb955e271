select
    date_trunc('week', reels.created_at at time zone 'UTC')::date as week_start,
    reels.connector_id,
    count(*) as reels,
    count(distinct reels.author_id) as authors,
    coalesce(sum(reels.view_count), 0)::bigint as views,
    coalesce(sum(reels.like_count), 0)::bigint as likes
from {{ ref('stg_reels') }} as reels
where {{ is_included('reels.author_id') }}
group by 1, 2
