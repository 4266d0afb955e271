select
    id as user_id,
    username,
    neighborhood,
    city,
    state,
    country,
    coalesce(interests, '[]'::jsonb) as interests,
    coalesce(verified, false) as is_verified,
    coalesce(reputation, 0) as reputation,
    coalesce(is_active, true) as is_active,
    coalesce(analysed, true) as is_analysed,
    erased_at,
    created_at as registered_at,
    updated_at,
    _event_id as event_id,
    _committed_at as committed_at
from {{ source('raw', 'users') }}
where not _deleted
