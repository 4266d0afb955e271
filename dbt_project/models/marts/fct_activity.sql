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
        "{{ delete_excluded_users() }}",
        "{{ delete_excluded_users('item_id') }} and item_kind = 'user'",
    ],
) }}

with changed as (
    select * from {{ ref('int_activity') }} where {{ changed_since_last_run('committed_at') }}
),

complete as (
    {% if is_incremental() %}
    -- A retraction has only the id of the act, so the other columns come from the existing row.
    select
        changed.activity_id,
        changed.kind,
        coalesce(changed.user_id, existing.user_id) as user_id,
        coalesce(changed.item_kind, existing.item_kind) as item_kind,
        coalesce(changed.item_id, existing.item_id) as item_id,
        coalesce(changed.request_id, existing.request_id) as request_id,
        coalesce(changed.position, existing.position) as position,
        coalesce(changed.dwell_ms, existing.dwell_ms) as dwell_ms,
        coalesce(changed.occurred_at, existing.occurred_at) as occurred_at,
        changed.is_retracted,
        changed.event_id,
        changed.committed_at
    from changed
    left join {{ this }} as existing on existing.activity_id = changed.activity_id
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
    versions.category,
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
left join {{ ref('int_connector_versions') }} as versions
    on versions.connector_id = items.connector_id
    and {{ is_valid_at('versions', 'complete.occurred_at') }}
-- An act that was created and retracted between two runs has no existing row.
where complete.occurred_at is not null
  and {{ is_included('complete.user_id') }}
  and (complete.item_kind is distinct from 'user' or {{ is_included('complete.item_id') }})
