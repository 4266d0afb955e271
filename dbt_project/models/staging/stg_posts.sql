select
    id as post_id,
    connector_id,
    author_id,
    title,
    content,
    image_url,
    coalesce(is_active, true) as is_active,
    created_at,
    updated_at,
    _event_id as event_id,
    _committed_at as committed_at
from {{ source('raw', 'posts') }}
where not _deleted
