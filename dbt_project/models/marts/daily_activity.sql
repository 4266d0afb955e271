{{ config(
    materialized='incremental',
    unique_key='activity_date',
    incremental_strategy='merge',
    indexes=[{'columns': ['activity_date'], 'unique': true}],
    post_hook="{{ drop_days_without_activity('activity_date') }}",
) }}

with changed_days as (
    select distinct activity_date
    from {{ ref('fct_activity') }}
    where {{ changed_since_last_run('committed_at') }}
),

activity as (
    select
        activity_date,
        count(distinct user_id) as active_users,
        count(distinct user_id) filter (where kind not in ('impression', 'register')) as engaged_users,
        {% for kind, name in {
            'register': 'registrations', 'impression': 'impressions', 'click': 'clicks', 'dwell': 'dwells',
            'hide': 'hides', 'visit': 'visits', 'like': 'likes', 'comment': 'comments', 'join': 'joins',
            'post': 'posts', 'follow': 'follows', 'rsvp': 'rsvps', 'purchase': 'purchases', 'review': 'reviews',
            'reaction': 'reactions'
        }.items() %}
        count(*) filter (where kind = '{{ kind }}') as {{ name }},
        {% endfor %}
        max(committed_at) as committed_at
    from {{ ref('fct_activity') }}
    where activity_date in (select activity_date from changed_days)
      and not is_retracted
    group by activity_date
),

sessions as (
    select
        session_date,
        count(*) as sessions,
        percentile_cont(0.5) within group (order by seconds) as median_session_seconds
    from {{ ref('fct_sessions') }}
    where session_date in (select activity_date from changed_days)
    group by session_date
)

select
    activity.activity_date,
    activity.active_users,
    activity.engaged_users,
    activity.registrations,
    activity.posts,
    activity.comments,
    activity.likes,
    activity.joins,
    activity.follows,
    activity.rsvps,
    activity.purchases,
    activity.reviews,
    activity.reactions,
    activity.visits,
    activity.impressions,
    activity.clicks,
    activity.dwells,
    activity.hides,
    activity.clicks::double precision / nullif(activity.impressions, 0) as click_through,
    coalesce(sessions.sessions, 0) as sessions,
    sessions.median_session_seconds,
    activity.committed_at
from activity
left join sessions on sessions.session_date = activity.activity_date
