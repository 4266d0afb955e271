{# Condition: the user of a row may be included in analytics; true for null. Qualify the column with its table. #}
{% macro is_included(column) -%}
    not exists (select from {{ ref('int_excluded_users') }} as excluded where excluded.user_id = {{ column }})
{%- endmacro %}

{# The id of a user, or null if the user is excluded from analytics. #}
{% macro if_included(column) -%}
    case when {{ is_included(column) }} then {{ column }} end
{%- endmacro %}

{# Post hook: an incremental build only adds rows, so this deletes the rows of users who were excluded since. #}
{% macro delete_excluded_users(column='user_id') -%}
    delete from {{ this }} where {{ column }} in (select user_id from {{ ref('int_excluded_users') }})
{%- endmacro %}

{# The id of a user, or null if the user was erased. #}
{% macro if_not_erased(column) -%}
    case when not exists (
        select from {{ ref('int_excluded_users') }} as excluded
        where excluded.user_id = {{ column }} and excluded.is_erased
    ) then {{ column }} end
{%- endmacro %}
