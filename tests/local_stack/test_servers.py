"""The embedded servers work with the settings of the stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import psutil
import psycopg
import pytest
from kafka.admin import KafkaAdminClient

from local_stack.servers.seaweed import s3_client
from local_stack.stack import Stack, open_stack
from neighborconnect.contracts.topics import ALL_TOPICS, PARTITIONS
from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings

DATABASE_SETTINGS = [
    "database_url",
    "warehouse_url",
    "mlflow_database_url",
    "dagster_database_url",
    "feast_database_url",
]


@pytest.mark.parametrize("setting", DATABASE_SETTINGS)
def test_each_database_belongs_to_the_role_of_its_url(settings: Settings, setting: str) -> None:
    with psycopg.connect(getattr(settings, setting)) as connection:
        connection.execute("CREATE TABLE owned (id int)")
        connection.execute("DROP TABLE owned")
        extensions = {row[0] for row in connection.execute("SELECT extname FROM pg_extension")}
    assert {"vector", "pg_trgm"} <= extensions


def test_a_role_cannot_enter_the_database_of_another(servers: Stack, settings: Settings) -> None:
    elsewhere = settings.feast_database_url.removesuffix("feast") + "warehouse"
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(elsewhere)


def test_a_wrong_password_is_refused(servers: Stack, settings: Settings) -> None:
    wrong = settings.database_url.replace(servers.secrets["neighborconnect"], "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_warehouse_connections_run_at_low_priority(settings: Settings) -> None:
    with psycopg.connect(settings.warehouse_url) as warehouse, psycopg.connect(settings.database_url) as product:
        low, normal = (psutil.Process(connection.info.backend_pid) for connection in (warehouse, product))
        before, deadline = normal.nice(), time.monotonic() + 30
        while low.nice() == before and time.monotonic() < deadline:
            time.sleep(0.1)
        assert (low.nice(), normal.nice()) == (10, before)


def test_buckets_and_topics_exist(servers: Stack, settings: Settings) -> None:
    buckets = {bucket.name for bucket in s3_client(servers).list_buckets()}
    assert {settings.s3_media_bucket, settings.s3_lake_bucket, settings.s3_mlflow_bucket} <= buckets
    admin = KafkaAdminClient(**client_options(settings.kafka_bootstrap_servers))
    partitions = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics(list(ALL_TOPICS))}
    admin.close()
    assert partitions == dict.fromkeys(ALL_TOPICS, PARTITIONS)


def test_secrets_are_private_and_survive_restarts(servers: Stack) -> None:
    for file in (servers.env_file, servers.home / "secrets.json"):
        assert file.stat().st_mode & 0o777 == 0o600
    assert open_stack(folder=servers.home, offset=servers.ports.offset) == servers


def test_no_command_line_or_log_contains_a_password(servers: Stack) -> None:
    output = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    output += "".join(log.read_text(errors="replace") for log in servers.logs.glob("*.log"))
    assert [name for name, secret in servers.secrets.items() if name != "kafka_cluster" and secret in output] == []


def test_status_lists_name_url_state_pid_and_memory(servers: Stack) -> None:
    output = subprocess.run(
        [sys.executable, "-m", "neighborconnect", "status", "--json"],
        env=os.environ | servers.settings,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # Other tests of the session may have started further services, which follow the servers.
    lines = {line["name"]: line for line in json.loads(output)[:5]}
    assert list(lines) == ["supervisor", "postgres", "redis", "s3", "kafka"]
    assert {line["state"] for line in lines.values()} == {"ready"}
    assert all(line["pid"] > 0 and line["memory"] > 1_000_000 for line in lines.values())
    assert lines["s3"]["url"] == servers.settings["S3_ENDPOINT_URL"]
