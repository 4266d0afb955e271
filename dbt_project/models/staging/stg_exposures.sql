select
    exposure_id,
    user_id,
    experiment,
    variant,
    exposed_at,
    _event_id as event_id,
    _committed_at as committed_at
from {{ source('raw', 'exposures') }}
