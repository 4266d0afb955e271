{{ config(indexes=[{'columns': ['activity_date', 'connector_id'], 'unique': true}]) }}

with days as (
    select
        activity_date,
        connector_id,
        count(distinct user_id) as active_users,
        count(distinct user_id) filter (where kind <> 'impression') as engaged_users,
        {% for kind, name in {
            'impression': 'impressions', 'click': 'clicks', 'hide': 'hides', 'visit': 'visits', 'join': 'joins',
            'post': 'posts', 'like': 'likes', 'comment': 'comments'
        }.items() %}
        count(*) filter (where kind = '{{ kind }}') as {{ name }},
        {% endfor %}
        coalesce(sum(dwell_ms), 0)::bigint as dwell_ms
    from {{ ref('fct_activity') }}
    where connector_id is not null and not is_retracted
    group by activity_date, connector_id
)

select
    days.activity_date,
    days.connector_id,
    versions.name as connector_name,
    versions.category,
    days.active_users,
    days.engaged_users,
    days.impressions,
    days.clicks,
    days.hides,
    days.visits,
    days.joins,
    days.posts,
    days.likes,
    days.comments,
    days.dwell_ms
from days
left join {{ ref('int_connector_versions') }} as versions
    on versions.connector_id = days.connector_id
    -- The version at the end of the UTC day.
    and {{ is_valid_at('versions', "(((days.activity_date + 1)::timestamp at time zone 'UTC') - interval '1 microsecond')") }}
