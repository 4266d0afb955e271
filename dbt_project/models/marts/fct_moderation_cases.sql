{{ config(indexes=[{'columns': ['case_id'], 'unique': true}]) }}

with reports as (
    select
        case_id,
        count(*) as reports,
        min(created_at) as first_reported_at,
        mode() within group (order by reason) as main_reason
    from {{ ref('stg_moderation_reports') }}
    group by case_id
),

first_decisions as (
    select distinct on (case_id) case_id, decision_id, outcome, decided_at, undone_at
    from {{ ref('stg_moderation_decisions') }}
    order by case_id, decided_at, decision_id
),

appeals as (
    select decision_id, state, created_at, decided_at from {{ ref('stg_moderation_appeals') }}
)

select
    cases.id as case_id,
    cases.subject_kind,
    -- The subject of a report about a user is a person.
    case when cases.subject_kind <> 'user' then cases.subject_id end as subject_id,
    cases.created_at as opened_at,
    cases.state as case_state,
    coalesce(reports.reports, 0) as reports,
    reports.main_reason,
    -- A report opens a case with its own time, so a case that is older than its first report is from the model.
    coalesce(reports.first_reported_at > cases.created_at, true) or cases.is_held as is_detected_by_model,
    cases.is_held as was_hidden_by_model,
    first_decisions.decision_id,
    first_decisions.outcome,
    first_decisions.decided_at,
    extract(epoch from first_decisions.decided_at - cases.created_at)::double precision / 3600 as hours_to_decision,
    first_decisions.undone_at,
    appeals.created_at as appealed_at,
    appeals.state as appeal_state,
    appeals.decided_at as appeal_decided_at,
    extract(epoch from appeals.decided_at - appeals.created_at)::double precision / 3600 as hours_to_appeal_decision
from {{ ref('stg_moderation_cases') }} as cases
left join reports on reports.case_id = cases.id
left join first_decisions on first_decisions.case_id = cases.id
left join appeals on appeals.decision_id = first_decisions.decision_id
