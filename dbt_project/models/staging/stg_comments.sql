select
    id as comment_id,
    post_id,
    author_id,
    parent_id,
    content,
    coalesce(is_active, true) as is_active,
    created_at,
    updated_at,
    _event_id as event_id,
    _committed_at as committed_at
from {{ source('raw', 'comments') }}
where not _deleted
