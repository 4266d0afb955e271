select
    judgement_id,
    user_id,
    family,
    asked,
    subject_kind,
    subject_id,
    path,
    reason_code,
    model_version,
    answer,
    latency_ms,
    judged_at,
    _event_id as event_id,
    _committed_at as committed_at
from {{ source('raw', 'judgements') }}
