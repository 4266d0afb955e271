select
    _event_id as prediction_id,
    request_id,
    user_id,
    item_kind,
    path,
    reason_code,
    model_version,
    item_ids,
    scores,
    features,
    latency_ms,
    predicted_at,
    _event_id as event_id,
    _committed_at as committed_at
from {{ source('raw', 'predictions') }}
