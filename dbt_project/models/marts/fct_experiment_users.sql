{{ config(indexes=[{'columns': ['experiment', 'user_id'], 'unique': true}, {'columns': ['user_id']}]) }}

-- A user belongs to the variant of the first exposure, whatever was shown later.
with exposures as (
    select
        experiment,
        user_id,
        (array_agg(variant order by exposed_at, exposure_id))[1] as variant,
        count(distinct variant) > 1 as has_crossed_over,
        count(*) as exposures,
        min(exposed_at) as first_exposed_at,
        max(exposed_at) as last_exposed_at
    from {{ ref('stg_exposures') }} as shown
    where {{ is_included('shown.user_id') }}
    group by experiment, user_id
),

outcomes as (
    select
        exposures.experiment,
        exposures.user_id,
        {% for kind, name in {
            'impression': 'impressions', 'click': 'clicks', 'hide': 'hides', 'join': 'joins', 'post': 'posts',
            'like': 'likes', 'comment': 'comments'
        }.items() %}
        count(*) filter (where activity.kind = '{{ kind }}') as {{ name }},
        {% endfor %}
        count(*) filter (where activity.kind not in ('impression', 'hide', 'unhide')) as acts,
        count(distinct activity.activity_date) as active_days
    from exposures
    inner join {{ ref('fct_activity') }} as activity
        on activity.user_id = exposures.user_id
        and activity.occurred_at >= exposures.first_exposed_at
        and activity.occurred_at < exposures.first_exposed_at + interval '{{ var("outcome_window") }}'
    where not activity.is_retracted and activity.kind <> 'register'
    group by exposures.experiment, exposures.user_id
),

horizon as (
    select max(occurred_at) as last_act_at from {{ ref('fct_activity') }}
)

select
    exposures.experiment,
    exposures.user_id,
    exposures.variant,
    exposures.has_crossed_over,
    exposures.exposures,
    exposures.first_exposed_at,
    exposures.last_exposed_at,
    {% for name in ['impressions', 'clicks', 'hides', 'joins', 'posts', 'likes', 'comments', 'acts', 'active_days'] %}
    coalesce(outcomes.{{ name }}, 0) as {{ name }},
    {% endfor %}
    coalesce(
        horizon.last_act_at >= exposures.first_exposed_at + interval '{{ var("outcome_window") }}', false
    ) as is_window_closed
from exposures
cross join horizon
left join outcomes using (experiment, user_id)
