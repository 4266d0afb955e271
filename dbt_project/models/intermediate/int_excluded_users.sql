-- Users excluded from analytics: erased users and users without consent to analytics.
select user_id, bool_or(is_erased) as is_erased
from (
    select user_id, erased_at is not null as is_erased
    from {{ ref('stg_users') }}
    where erased_at is not null or not is_analysed
    union all
    select user_id, true from {{ ref('stg_erasures') }}
) as excluded
group by user_id
