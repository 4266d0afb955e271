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

psql --username postgres --dbname neighborconnect --set ON_ERROR_STOP=1 <<'SQL'
CREATE EXTENSION vector;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION unaccent;
CREATE EXTENSION btree_gin;
SQL
