{# True for the rows of an incremental model's input that may be new to it: committed after the newest row it
   holds, less the time within which a slower partition may still deliver. On a full build, all rows. #}
{% macro changed_since_last_run(column) -%}
    {%- if is_incremental() -%}
        {{ column }} > coalesce(
            (select max(committed_at) from {{ this }}), '-infinity'::timestamptz
        ) - interval '{{ var("late_arrival") }}'
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
