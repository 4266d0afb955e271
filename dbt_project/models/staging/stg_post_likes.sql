select
    id as like_id,
    post_id,
    user_id,
    created_at,
    _event_id as event_id,
    _committed_at as committed_at
from {{ source('raw', 'post_likes') }}
where not _deleted
