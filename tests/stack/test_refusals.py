"""What goes wrong on a person's machine is told in one sentence that says what to do."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from neighborconnect.stack.accounts import DATABASE_USER, account_for_unprivileged, folder_for
from neighborconnect.stack.broker import broker
from neighborconnect.stack.control import is_running, want
from neighborconnect.stack.errors import StackError
from neighborconnect.stack.kafka import kafka
from neighborconnect.stack.layout import open_stack, shell_offset
from neighborconnect.stack.ports import free_offset
from neighborconnect.stack.postgres import check_data_version, postgres
from neighborconnect.stack.preflight import check_disk
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
        # Nothing starts, PostgreSQL neither, whose own port is free.
        with pytest.raises(StackError) as refusal:
            want(stack, ("postgres", "redis"))
        other = free_offset()
    assert not is_running(stack)
    message = str(refusal.value)
    assert f"Port {stack.ports.redis}, which Valkey needs, is taken by process {os.getpid()} (" in message
    assert f"`neighborconnect down && neighborconnect ports {other}`" in message


def test_an_id_that_looks_like_an_option(tmp_path: Path) -> None:
    stack = open_stack(folder=tmp_path / "home", offset=0)
    stack = replace(stack, secrets=stack.secrets | {"kafka_cluster": "f8" * 16})
    kafka(stack).prepare()
    assert "cluster.id=-Pj4" in (stack.home / "kafka" / "data" / "meta.properties").read_text()


def test_data_of_another_major_version(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("14\n")
    with pytest.raises(StackError, match=r"was made by PostgreSQL 14 and this server is 18; point POSTGRES_BIN"):
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
    monkeypatch.setenv("NEIGHBORCONNECT_LEAST_FREE_BYTES", str(shutil.disk_usage(tmp_path).total * 2))
    with pytest.raises(StackError, match=r"^The disk of .* has .* GB free and .* GB are needed: free some"):
        check_disk(stack)


@pytest.mark.parametrize("offset", ["many", "-100", "1000", "2000", "3000", "110", "9000"])
def test_an_offset_at_which_stacks_could_meet(monkeypatch: pytest.MonkeyPatch, offset: str) -> None:
    monkeypatch.setenv("NEIGHBORCONNECT_PORT_OFFSET", offset)
    with pytest.raises(StackError, match=f"NEIGHBORCONNECT_PORT_OFFSET is '{offset}'; give it a multiple of 25 from 0"):
        shell_offset()


def test_a_postgres_folder_without_postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_BIN", str(tmp_path))
    with pytest.raises(StackError, match=r"holds no `postgres`; name the folder that does"):
        postgres(open_stack(folder=tmp_path / "home", offset=0))


def test_a_broker_that_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEIGHBORCONNECT_BROKER", "pigeon")
    with pytest.raises(StackError, match="'pigeon'; it can be kafka or tansu"):
        broker(open_stack(folder=tmp_path, offset=0))


def test_jars_that_cannot_be_had_bring_the_other_broker_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A cache below a file can hold nothing, so that neither resolver can succeed.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("NEIGHBORCONNECT_BROKER", raising=False)
    stack = open_stack(folder=tmp_path / "home", offset=0)
    found = broker(stack)
    assert "NOT Apache Kafka" in found.title
    assert "jars could not be fetched" in found.note
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert broker(stack).title == found.title


def test_data_goes_elsewhere_when_the_unprivileged_user_cannot_enter_the_home(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = closed / "home"
    home.mkdir()
    if account_for_unprivileged() is not None:
        place = folder_for(DATABASE_USER, home=home)
        assert place.is_relative_to("/var/lib/neighborconnect")
        assert folder_for(DATABASE_USER, home=home) == place
        assert not place.exists()
    assert folder_for(None, home=home) == home


def test_status_and_down_where_nothing_ever_ran_make_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert _run("status", "--json", home=home).stdout.strip() == "[]"
    assert _run("down", home=home).returncode == 0
    assert not home.exists()


def test_external_servers_that_are_not_named(tmp_path: Path) -> None:
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
