{# Run start: the roles of people and notebooks may use the schemas of staging and marts. `privacy_officer` reads every
   table that is built there, by default privileges. Does nothing on a server without the roles. #}
{% macro open_schemas_to_readers() -%}
    do $grant$
    declare opened text;
    begin
        if to_regrole('analyst') is null or to_regrole('privacy_officer') is null then
            return;
        end if;
        for opened in
            select nspname from pg_namespace
            where nspname in ('staging', 'marts') and not has_schema_privilege('privacy_officer', nspname, 'USAGE')
        loop
            execute format('grant usage on schema %I to analyst, privacy_officer', opened);
            execute format('grant select on all tables in schema %I to privacy_officer', opened);
            execute format('alter default privileges in schema %I grant select on tables to privacy_officer', opened);
        end loop;
    end $grant$
{%- endmacro %}

{# Post hook: `analyst` reads the columns of the model that are not personal. Those are the ones of
   `neighborconnect.contracts` (by DBT_PERSONAL_COLUMNS) and columns with `meta: {privacy: personal}`. #}
{% macro grant_columns_to_analyst() -%}
    {%- if execute -%}
    {%- set personal = fromjson(env_var('DBT_PERSONAL_COLUMNS')) -%}
    {%- set hidden = personal.get(this.identifier, personal['*']) -%}
    {%- set readable = [] -%}
    {%- for column in adapter.get_columns_in_relation(this) -%}
        {%- set declared = model.columns.get(column.name, {}) -%}
        {%- if column.name not in hidden and declared.get('meta', {}).get('privacy') != 'personal' -%}
            {%- do readable.append(column.quoted) -%}
        {%- endif -%}
    {%- endfor -%}
    do $grant$
    begin
        if to_regrole('analyst') is not null then
            revoke all on {{ this }} from analyst;
            {% if readable %}grant select ({{ readable | join(', ') }}) on {{ this }} to analyst;{% endif %}
        end if;
    end $grant$
    {%- endif -%}
{%- endmacro %}
