{# As `accepted_range` of dbt_utils, which no Python registry distributes. #}
{% test not_negative(model, column_name) %}
select {{ column_name }} from {{ model }} where {{ column_name }} < 0
{% endtest %}
