select
    id as decision_id,
    case_id,
    subject_kind,
    subject_id,
    outcome,
    label,
    rule,
    until,
    coalesce(took_effect, false) as took_effect,
    created_at as decided_at,
    undone_at,
    _event_id as event_id,
    _committed_at as committed_at
from {{ source('raw', 'moderation_decisions') }}
where not _deleted
