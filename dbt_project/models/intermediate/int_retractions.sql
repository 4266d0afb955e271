{# What a person took back. The mirror keeps only the id of a deleted row, so what it was comes from the past. #}
{% set kinds = {
    'post_likes': 'like', 'comments': 'comment', 'connector_members': 'join', 'posts': 'post', 'follows': 'follow'
} %}
{% for table, kind in kinds.items() %}
select
    id as activity_id,
    '{{ kind }}'::text as kind,
    _event_id as event_id,
    _committed_at as committed_at
from {{ source('raw', table) }}
where _deleted
{% if not loop.last %}union all{% endif %}
{% endfor %}
