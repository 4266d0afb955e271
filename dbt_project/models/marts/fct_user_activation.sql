{{ config(indexes=[{'columns': ['user_id'], 'unique': true}, {'columns': ['cohort_week']}]) }}

with first_acts as (
    select
        user_id,
        min(occurred_at) filter (where kind = 'join') as first_join_at,
        min(occurred_at) filter (where kind = 'like') as first_like_at,
        min(occurred_at) filter (where kind = 'post') as first_post_at
    from {{ ref('fct_activity') }}
    where kind in ('join', 'like', 'post') and not is_retracted
    group by user_id
),

horizon as (
    select max(occurred_at) as last_act_at from {{ ref('fct_activity') }}
)

select
    users.user_id,
    users.registered_at,
    date_trunc('week', users.registered_at at time zone 'UTC')::date as cohort_week,
    first_acts.first_join_at,
    first_acts.first_like_at,
    first_acts.first_post_at,
    {% for act in ['join', 'like', 'post'] %}
    coalesce(
        first_acts.first_{{ act }}_at < users.registered_at + interval '{{ var("activation_window") }}', false
    ) as has_early_{{ act }},
    {% endfor %}
    horizon.last_act_at >= users.registered_at + interval '{{ var("activation_window") }}' as is_window_closed
from {{ ref('dim_users') }} as users
cross join horizon
left join first_acts using (user_id)
