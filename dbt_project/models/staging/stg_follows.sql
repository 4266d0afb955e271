select
    id as follow_id,
    follower_id,
    followee_id,
    created_at,
    _event_id as event_id,
    _committed_at as committed_at
from {{ source('raw', 'follows') }}
where not _deleted
