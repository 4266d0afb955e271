"""Problems of the machine are reported in one sentence with the remedy."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from local_stack.errors import StackError
from local_stack.os_users import DATABASE_OS_USER, data_folder_for, unprivileged_user
from local_stack.ports import find_free_offset
from local_stack.preflight import check_disk
from local_stack.servers.broker import broker
from local_stack.servers.kafka import kafka
from local_stack.servers.postgres import check_data_version, postgres
from local_stack.stack import environment_offset, open_stack
from local_stack.supervisor_client import is_running, request_services
from tests.conftest import offset_for_tests


def _run(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "neighborconnect", *arguments],
        env=os.environ | {"NEIGHBORCONNECT_HOME": str(home), "NEIGHBORCONNECT_PROFILE": "embedded"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_taken_port(tmp_path: Path) -> None:
    stack = open_stack(folder=tmp_path / "home", offset=offset_for_tests(start=8_000))
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", stack.ports.redis))
        squatter.listen()
        # Nothing starts, not even PostgreSQL, whose port is free.
        with pytest.raises(StackError) as refusal:
            request_services(stack, ("postgres", "redis"))
        other = find_free_offset()
    assert not is_running(stack)
    message = str(refusal.value)
    assert f"Port {stack.ports.redis} of Valkey is taken by process {os.getpid()} (" in message
    assert f"`neighborconnect down && neighborconnect ports {other}`" in message


def test_cluster_id_that_looks_like_an_option(tmp_path: Path) -> None:
    stack = open_stack(folder=tmp_path / "home", offset=0)
    stack = replace(stack, secrets=stack.secrets | {"kafka_cluster": "f8" * 16})
    kafka(stack).prepare()
    assert "cluster.id=-Pj4" in (stack.home / "kafka" / "data" / "meta.properties").read_text()


def test_data_of_another_major_version(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("14\n")
    with pytest.raises(StackError, match=r"was created by PostgreSQL 14 and this server is 18; point POSTGRES_BIN"):
        check_data_version(tmp_path, server=18)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    # A file in the way refuses root too.
    (tmp_path / "file").write_text("")
    done = _run("servers", "up", home=tmp_path / "file" / "home")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path / 'file' / 'home'} cannot be used (")
    assert "NEIGHBORCONNECT_HOME" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = open_stack(folder=tmp_path, offset=0)
    monkeypatch.setenv("NEIGHBORCONNECT_MIN_FREE_BYTES", str(shutil.disk_usage(tmp_path).total * 2))
    with pytest.raises(StackError, match=r"^The disk of .* has .* GB free and .* GB are required: free some"):
        check_disk(stack)


@pytest.mark.parametrize("offset", ["many", "-100", "1000", "2000", "3000", "110", "9000"])
def test_an_invalid_port_offset(monkeypatch: pytest.MonkeyPatch, offset: str) -> None:
    monkeypatch.setenv("NEIGHBORCONNECT_PORT_OFFSET", offset)
    with pytest.raises(StackError, match=f"NEIGHBORCONNECT_PORT_OFFSET is '{offset}'; use a multiple of 25 from 0"):
        environment_offset()


def test_a_postgres_folder_without_postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_BIN", str(tmp_path))
    with pytest.raises(StackError, match=r"has no `postgres` program; set it to the folder"):
        postgres(open_stack(folder=tmp_path / "home", offset=0))


def test_an_unknown_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEIGHBORCONNECT_BROKER", "pigeon")
    with pytest.raises(StackError, match="'pigeon'; use kafka or tansu"):
        broker(open_stack(folder=tmp_path, offset=0))


def test_missing_jars_select_tansu_with_a_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A cache folder below a file cannot be created, so neither resolver can succeed.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("NEIGHBORCONNECT_BROKER", raising=False)
    stack = open_stack(folder=tmp_path / "home", offset=0)
    service = broker(stack)
    assert "NOT Apache Kafka" in service.title
    assert "jars could not be fetched" in service.note
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert broker(stack).title == service.title


def test_data_folder_when_the_os_user_cannot_enter_the_home(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = closed / "home"
    home.mkdir()
    if unprivileged_user() is not None:
        folder = data_folder_for(DATABASE_OS_USER, home=home)
        assert folder.is_relative_to("/var/lib/neighborconnect")
        assert data_folder_for(DATABASE_OS_USER, home=home) == folder
        assert not folder.exists()
    assert data_folder_for(None, home=home) == home


def test_status_and_down_without_a_stack_create_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert _run("status", "--json", home=home).stdout.strip() == "[]"
    assert _run("down", home=home).returncode == 0
    assert not home.exists()


def test_missing_settings_of_the_external_profile(tmp_path: Path) -> None:
    bare = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    done = subprocess.run(
        [sys.executable, "-m", "neighborconnect", "up"],
        env=bare | {"NEIGHBORCONNECT_HOME": str(tmp_path), "NEIGHBORCONNECT_PROFILE": "external"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "DATABASE_URL is not set" in done.stderr
    assert list(tmp_path.iterdir()) == []
