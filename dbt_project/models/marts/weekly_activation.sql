select
    cohort_week,
    count(*) as users,
    count(*) filter (where has_early_join) as joined,
    count(*) filter (where has_early_like) as liked,
    count(*) filter (where has_early_post) as posted,
    count(*) filter (where has_early_join and has_early_like and has_early_post) as did_all,
    avg((has_early_join and has_early_like and has_early_post)::integer)::double precision as activation,
    coalesce(bool_and(is_window_closed), false) as is_complete
from {{ ref('fct_user_activation') }}
group by cohort_week
