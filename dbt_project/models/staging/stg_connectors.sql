select
    id as connector_id,
    name,
    description,
    lower(category collate "pg_c_utf8") as category,
    media_id,
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
