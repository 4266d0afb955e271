{# Post hook: an incremental build replaces changed days, but finds no row of a day whose last act was retracted. #}
{% macro drop_days_without_activity(column) -%}
    delete from {{ this }}
    where {{ column }} not in (select activity_date from {{ ref('fct_activity') }} where not is_retracted)
{%- endmacro %}
