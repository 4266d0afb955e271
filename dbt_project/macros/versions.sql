{# Versions of a snapshot with `valid_from` (inclusive) and `valid_to` (exclusive). The first version has no start, so
   that it covers events older than the capture of its row. #}
{% macro versions_of(snapshot, key, columns) -%}
select
    {{ key }},
    {{ columns | join(',\n    ') }},
    case
        when lag(dbt_valid_from) over (partition by {{ key }} order by dbt_valid_from) is null
            then '-infinity'::timestamptz
        else dbt_valid_from
    end as valid_from,
    coalesce(dbt_valid_to, 'infinity'::timestamptz) as valid_to
from {{ snapshot }}
{%- endmacro %}

{# Condition of a join: the version was valid at a time. #}
{% macro is_valid_at(versions, time) -%}
    {{ time }} >= {{ versions }}.valid_from and {{ time }} < {{ versions }}.valid_to
{%- endmacro %}
