select
    interaction_id,
    user_id,
    kind,
    item_kind,
    item_id,
    request_id,
    position,
    dwell_ms,
    occurred_at,
    received_at,
    surface,
    _event_id as event_id,
    _committed_at as committed_at
from {{ source('raw', 'interactions') }}
