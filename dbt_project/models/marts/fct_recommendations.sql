{{ config(
    materialized='incremental',
    unique_key='prediction_id',
    incremental_strategy='merge',
    indexes=[{'columns': ['prediction_id'], 'unique': true}, {'columns': ['predicted_at']}],
    post_hook="{{ delete_excluded_users() }}",
) }}

-- A response is computed again until its attribution window has closed. The home feed has one for each kind of its items.
with responses as (
    select predictions.*
    from {{ ref('stg_predictions') }} as predictions
    where {{ changed_since_last_run('committed_at + interval \'' ~ var("attribution_window") ~ '\'') }}
      and {{ is_included('predictions.user_id') }}
),

reactions as (
    select
        responses.prediction_id,
        count(*) filter (where activity.kind = 'impression') as impressions,
        count(*) filter (where activity.kind = 'click') as clicks,
        count(*) filter (where activity.kind = 'hide') as hides,
        coalesce(sum(activity.dwell_ms) filter (where activity.kind = 'dwell'), 0)::bigint as dwell_ms
    from responses
    inner join {{ ref('fct_activity') }} as activity
        on activity.request_id = responses.request_id
        and activity.item_kind = responses.item_kind
        and activity.user_id = responses.user_id
        and activity.occurred_at <= responses.predicted_at + interval '{{ var("attribution_window") }}'
    group by responses.prediction_id
)

select
    responses.prediction_id,
    responses.request_id,
    responses.user_id,
    responses.item_kind,
    responses.path,
    responses.reason_code,
    coalesce(responses.model_version, 'none') as model_version,
    jsonb_array_length(responses.item_ids) as items,
    responses.latency_ms,
    responses.predicted_at,
    (responses.predicted_at at time zone 'UTC')::date as prediction_date,
    coalesce(reactions.impressions, 0) as impressions,
    coalesce(reactions.clicks, 0) as clicks,
    coalesce(reactions.hides, 0) as hides,
    coalesce(reactions.dwell_ms, 0) as dwell_ms,
    responses.committed_at
from responses
left join reactions using (prediction_id)
