select
    id as membership_id,
    connector_id,
    user_id,
    role,
    joined_at,
    _event_id as event_id,
    _committed_at as committed_at
from {{ source('raw', 'connector_members') }}
where not _deleted
