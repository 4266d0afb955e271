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

reported as (
    select distinct subject_kind, subject_id from {{ ref('stg_moderation_cases') }} where report_count > 0
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
        count(*) filter (where activity.kind = 'impression' and reported.subject_id is not null) as reported_impressions,
        count(*) filter (
            where activity.kind = 'impression'
              and authors.registered_at > activity.occurred_at - interval '{{ var("newcomer_window") }}'
        ) as newcomer_impressions,
        count(distinct activity.activity_date) as active_days
    from exposures
    inner join {{ ref('fct_activity') }} as activity
        on activity.user_id = exposures.user_id
        and activity.occurred_at >= exposures.first_exposed_at
        and activity.occurred_at < exposures.first_exposed_at + interval '{{ var("outcome_window") }}'
    left join reported on reported.subject_kind = activity.item_kind and reported.subject_id = activity.item_id
    left join {{ ref('stg_posts') }} as posts on activity.item_kind = 'post' and posts.post_id = activity.item_id
    left join {{ ref('stg_users') }} as authors on authors.user_id = posts.author_id
    where not activity.is_retracted and activity.kind <> 'register'
    group by exposures.experiment, exposures.user_id
),

-- Acts before the exposure, by which a readout adjusts those after it.
prior as (
    select
        exposures.experiment,
        exposures.user_id,
        count(*) filter (where activity.kind not in ('impression', 'hide', 'unhide')) as prior_acts
    from exposures
    inner join {{ ref('fct_activity') }} as activity
        on activity.user_id = exposures.user_id
        and activity.occurred_at < exposures.first_exposed_at
        and activity.occurred_at >= exposures.first_exposed_at - interval '{{ var("outcome_window") }}'
    where not activity.is_retracted and activity.kind <> 'register'
    group by exposures.experiment, exposures.user_id
),

latencies as (
    select exposures.experiment, exposures.user_id, avg(feeds.latency_ms) as latency_ms
    from exposures
    inner join {{ ref('fct_recommendations') }} as feeds
        on feeds.user_id = exposures.user_id
        -- The first feed is exposed just after it is ranked.
        and feeds.predicted_at >= exposures.first_exposed_at - interval '1 minute'
        and feeds.predicted_at < exposures.first_exposed_at + interval '{{ var("outcome_window") }}'
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
    {% for name in ['impressions', 'clicks', 'hides', 'joins', 'posts', 'likes', 'comments', 'acts', 'active_days',
        'reported_impressions', 'newcomer_impressions'] %}
    coalesce(outcomes.{{ name }}, 0) as {{ name }},
    {% endfor %}
    coalesce(prior.prior_acts, 0) as prior_acts,
    latencies.latency_ms,
    coalesce(
        horizon.last_act_at >= exposures.first_exposed_at + interval '{{ var("outcome_window") }}', false
    ) as is_window_closed
from exposures
cross join horizon
left join outcomes using (experiment, user_id)
left join prior using (experiment, user_id)
left join latencies using (experiment, user_id)
