{{ config(
    materialized='incremental',
    unique_key='activity_id',
    incremental_strategy='merge',
    indexes=[
        {'columns': ['activity_id'], 'unique': true},
        {'columns': ['activity_date']},
        {'columns': ['committed_at']},
        {'columns': ['request_id']},
        {'columns': ['user_id']},
    ],
    post_hook=[
        "{{ delete_excluded_people() }}",
        "{{ delete_excluded_people('item_id') }} and item_kind = 'user'",
    ],
) }}

with changed as (
    select * from {{ ref('int_activity') }} where {{ changed_since_last_run('committed_at') }}
),

complete as (
    {% if is_incremental() %}
    -- A retraction brings only its id: the rest is what was known of the row.
    select
        changed.activity_id,
        changed.kind,
        coalesce(changed.user_id, known.user_id) as user_id,
        coalesce(changed.item_kind, known.item_kind) as item_kind,
        coalesce(changed.item_id, known.item_id) as item_id,
        coalesce(changed.request_id, known.request_id) as request_id,
        coalesce(changed.position, known.position) as position,
        coalesce(changed.dwell_ms, known.dwell_ms) as dwell_ms,
        coalesce(changed.occurred_at, known.occurred_at) as occurred_at,
        changed.is_retracted,
        changed.event_id,
        changed.committed_at
    from changed
    left join {{ this }} as known on known.activity_id = changed.activity_id
    {% else %}
    select * from changed
    {% endif %}
)

select
    complete.activity_id,
    complete.kind,
    complete.user_id,
    complete.item_kind,
    complete.item_id,
    items.connector_id,
    items.category,
    complete.request_id,
    complete.position,
    complete.dwell_ms,
    complete.occurred_at,
    (complete.occurred_at at time zone 'UTC')::date as activity_date,
    complete.is_retracted,
    complete.event_id,
    complete.committed_at
from complete
left join {{ ref('int_items') }} as items
    on items.item_kind = complete.item_kind and items.item_id = complete.item_id
-- What came and went between two runs was never here.
where complete.occurred_at is not null
  and {{ is_included('complete.user_id') }}
  and (complete.item_kind is distinct from 'user' or {{ is_included('complete.item_id') }})
