{# Condition of `having`: the group has enough people. Marts about places omit smaller groups, because their figures
   could describe single neighbors. `people` is the id of the person behind each row that a figure of the group counts.
   The minimum can be raised, not lowered. #}
{% macro has_minimum_group(people) -%}
    {%- if var('minimum_group_people') | int < 5 -%}
        {{ exceptions.raise_compiler_error('minimum_group_people must be at least 5') }}
    {%- endif -%}
    count(distinct {{ people }}) >= {{ var('minimum_group_people') | int }}
{%- endmacro %}
