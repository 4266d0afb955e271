{# An incremental build replaces the days it touches, but cannot see a day whose last activity was taken back. #}
{% macro drop_days_without_activity(column) -%}
    delete from {{ this }}
    where {{ column }} not in (select activity_date from {{ ref('fct_activity') }} where not is_retracted)
{%- endmacro %}
