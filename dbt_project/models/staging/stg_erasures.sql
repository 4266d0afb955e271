select
    id as erasure_id,
    user_id,
    keeps_words,
    requested_at,
    _event_id as event_id,
    _committed_at as committed_at
from {{ source('raw', 'erasures') }}
where not _deleted
