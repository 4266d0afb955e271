{# Deleted rows, of which the mirror retains only the ids, and rows that are not current any more. fct_activity completes
   both from its previous state, so that an answer or a purchase that never was an act is none here. #}
{% set kinds = {
    'post_likes': 'like', 'comments': 'comment', 'connector_members': 'join', 'posts': 'post', 'follows': 'follow'
} %}
{% for act in var('act_tables') %}{% do kinds.update({act.table: act.kind}) %}{% endfor %}
{% for table, kind in kinds.items() %}
select
    id as activity_id,
    '{{ kind }}'::text as kind,
    _event_id as event_id,
    _committed_at as committed_at
from {{ source('raw', table) }}
where _deleted
union all
{% endfor %}
{% for act in var('act_tables') %}
select
    id,
    '{{ act.kind }}',
    change_event_id,
    committed_at
from {{ ref('stg_' ~ act.table) }}
where not ({{ act.is_current }})
{% if not loop.last %}union all{% endif %}
{% endfor %}
