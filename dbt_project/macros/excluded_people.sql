{# True for a row whose person may be in analytics; also where the column is null. Name the table of the column. #}
{% macro is_included(column) -%}
    not exists (select from {{ ref('int_excluded_people') }} as excluded where excluded.user_id = {{ column }})
{%- endmacro %}

{# The id of a person, or null where analytics may not name them. #}
{% macro if_included(column) -%}
    case when {{ is_included(column) }} then {{ column }} end
{%- endmacro %}

{# An incremental build only adds: rows of people who have been excluded since leave by this. #}
{% macro delete_excluded_people(column='user_id') -%}
    delete from {{ this }} where {{ column }} in (select user_id from {{ ref('int_excluded_people') }})
{%- endmacro %}

{# The id of a person, or null where they were erased. #}
{% macro if_not_erased(column) -%}
    case when not exists (
        select from {{ ref('int_excluded_people') }} as excluded
        where excluded.user_id = {{ column }} and excluded.is_erased
    ) then {{ column }} end
{%- endmacro %}
