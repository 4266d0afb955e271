select
    id as post_id,
    connector_id,
    author_id,
    title,
    content,
    coalesce(jsonb_array_length(media_ids), 0) as media_count,
    coalesce(is_active, true) as is_active,
    created_at,
    updated_at,
    _event_id as event_id,
    _committed_at as committed_at
from {{ source('raw', 'posts') }}
where not _deleted
