select
    id as connector_id,
    name,
    description,
    lower(category) as category,
    image_url,
    created_by as founder_id,
    coalesce(is_public, true) as is_public,
    rules,
    coalesce(is_active, true) as is_active,
    created_at,
    updated_at,
    _event_id as event_id,
    _committed_at as committed_at
from {{ source('raw', 'connectors') }}
where not _deleted
