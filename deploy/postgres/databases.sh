#!/bin/sh
# The first start of the PostgreSQL image: one role a database, which owns it, and the extensions that we use.
set -eu

for name in neighborconnect warehouse mlflow dagster feast; do
  # psql quotes both, so that no password can end its string.
  psql --username postgres --set ON_ERROR_STOP=1 --set name="$name" --set password="$DATABASE_PASSWORD" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
done

psql --username postgres --dbname neighborconnect --set ON_ERROR_STOP=1 <<'SQL'
CREATE EXTENSION vector;
CREATE EXTENSION pg_trgm;
SQL
