-- The weeks of a cohort end with the week of the newest act, so that a rebuild gives the same rows.
with members as (
    select user_id, cohort_week from {{ ref('fct_user_activation') }}
),

cohorts as (
    select cohort_week, count(*) as cohort_users from members group by cohort_week
),

horizon as (
    select date_trunc('week', max(activity_date))::date as last_week from {{ ref('fct_activity') }}
),

weeks as (
    select
        cohorts.cohort_week,
        cohorts.cohort_users,
        week_start::date as week_start,
        (week_start::date - cohorts.cohort_week) / 7 as week_number
    from cohorts
    cross join horizon
    cross join generate_series(cohorts.cohort_week, horizon.last_week, interval '7 days') as week_start
),

active as (
    select
        members.cohort_week,
        date_trunc('week', activity.activity_date)::date as week_start,
        count(distinct activity.user_id) as active_users
    from {{ ref('fct_activity') }} as activity
    inner join members using (user_id)
    where activity.kind not in ('impression', 'register') and not activity.is_retracted
    group by 1, 2
)

select
    weeks.cohort_week,
    weeks.week_number,
    weeks.week_start,
    weeks.cohort_users,
    coalesce(active.active_users, 0) as active_users,
    coalesce(active.active_users, 0)::double precision / weeks.cohort_users as retention
from weeks
left join active using (cohort_week, week_start)
