{{ config(
    materialized='incremental',
    unique_key='prediction_id',
    incremental_strategy='merge',
    indexes=[{'columns': ['prediction_id'], 'unique': true}, {'columns': ['predicted_at']}],
    post_hook="{{ delete_excluded_people() }}",
) }}

-- An answer is counted again until its attribution window has closed.
with answers as (
    select predictions.*
    from {{ ref('stg_predictions') }} as predictions
    where {{ changed_since_last_run('committed_at + interval \'' ~ var("attribution_window") ~ '\'') }}
      and {{ is_included('predictions.user_id') }}
),

reactions as (
    select
        answers.prediction_id,
        count(*) filter (where activity.kind = 'impression') as impressions,
        count(*) filter (where activity.kind = 'click') as clicks,
        count(*) filter (where activity.kind = 'hide') as hides,
        coalesce(sum(activity.dwell_ms) filter (where activity.kind = 'dwell'), 0)::bigint as dwell_ms
    from answers
    inner join {{ ref('fct_activity') }} as activity
        on activity.request_id = answers.request_id
        and activity.user_id = answers.user_id
        and activity.occurred_at <= answers.predicted_at + interval '{{ var("attribution_window") }}'
    group by answers.prediction_id
)

select
    answers.prediction_id,
    answers.request_id,
    answers.user_id,
    answers.item_kind,
    answers.path,
    answers.reason_code,
    coalesce(answers.model_version, 'none') as model_version,
    jsonb_array_length(answers.item_ids) as items,
    answers.latency_ms,
    answers.predicted_at,
    (answers.predicted_at at time zone 'UTC')::date as prediction_date,
    coalesce(reactions.impressions, 0) as impressions,
    coalesce(reactions.clicks, 0) as clicks,
    coalesce(reactions.hides, 0) as hides,
    coalesce(reactions.dwell_ms, 0) as dwell_ms,
    answers.committed_at
from answers
left join reactions using (prediction_id)
