{# Condition: the row may be new to an incremental model. It was committed after the newest row of the model, less
   `late_arrival`, because partitions of a topic are not delivered in step. True for all rows in a full build. #}
{% macro changed_since_last_run(column) -%}
    {%- if is_incremental() -%}
        {{ column }} > coalesce(
            (select max(committed_at) from {{ this }}), '-infinity'::timestamptz
        ) - interval '{{ var("late_arrival") }}'
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
