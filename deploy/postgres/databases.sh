#!/bin/sh
# The first start of the PostgreSQL image: one role a database, which owns it, with a password of its own, and the
# extensions that we use.
set -eu

make_database() {
  # psql quotes both, so that no password can end its string.
  psql --username postgres --set ON_ERROR_STOP=1 --set name="$1" --set password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
}

make_database neighborconnect "$DATABASE_PASSWORD"
make_database warehouse "$WAREHOUSE_PASSWORD"
make_database mlflow "$MLFLOW_PASSWORD"
make_database dagster "$DAGSTER_PASSWORD"
make_database feast "$FEAST_PASSWORD"

# People and notebooks: they only read. The owners of the tables grant what (dbt_project/macros/read_access.sql).
make_reader() {
  psql --username postgres --set ON_ERROR_STOP=1 --set name="$1" --set password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
ALTER ROLE :"name" SET default_transaction_read_only = on;
GRANT CONNECT ON DATABASE warehouse TO :"name";
SQL
}

make_reader analyst "$ANALYST_PASSWORD"
make_reader privacy_officer "$PRIVACY_OFFICER_PASSWORD"
psql --username postgres --set ON_ERROR_STOP=1 --command 'GRANT CONNECT ON DATABASE feast TO analyst'

psql --username postgres --dbname neighborconnect --set ON_ERROR_STOP=1 <<'SQL'
CREATE EXTENSION vector;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION unaccent;
CREATE EXTENSION btree_gin;
SQL
