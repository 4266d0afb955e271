{# Versions of the connectors. Counters of a connector change often, so only name and category start a version. #}
{% snapshot connector_history %}
{{ config(unique_key='connector_id', strategy='check', check_cols=['name', 'category'], updated_at='committed_at') }}

select connector_id, name, category, committed_at
from {{ ref('stg_connectors') }}

{% endsnapshot %}
