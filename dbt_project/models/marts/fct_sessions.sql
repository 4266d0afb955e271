{{ config(
    materialized='incremental',
    unique_key='session_date',
    incremental_strategy='delete+insert',
    indexes=[{'columns': ['session_date']}, {'columns': ['user_id']}],
    post_hook=["{{ drop_days_without_activity('session_date') }}", "{{ delete_excluded_users() }}"],
) }}

with changed_days as (
    select distinct activity_date
    from {{ ref('fct_activity') }}
    where {{ changed_since_last_run('committed_at') }}
),

acts as (
    select
        activity.*,
        coalesce(
            occurred_at - lag(occurred_at) over user_day > interval '{{ var("session_gap") }}', true
        ) as starts_session
    from {{ ref('fct_activity') }} as activity
    where activity_date in (select activity_date from changed_days)
      and kind not in ('visit', 'register')
      and not is_retracted
    window user_day as (partition by user_id, activity_date order by occurred_at, activity_id)
),

numbered as (
    select
        *,
        count(*) filter (where starts_session) over (
            partition by user_id, activity_date order by occurred_at, activity_id
        ) as session_number
    from acts
)

select
    md5(concat_ws('|', user_id, activity_date, session_number)) as session_id,
    user_id,
    activity_date as session_date,
    min(occurred_at) as started_at,
    max(occurred_at) as ended_at,
    extract(epoch from max(occurred_at) - min(occurred_at))::bigint as seconds,
    count(*) as activities,
    count(*) filter (where kind = 'impression') as impressions,
    count(*) filter (where kind = 'click') as clicks,
    count(distinct item_id) as items,
    max(committed_at) as committed_at
from numbered
group by user_id, activity_date, session_number
