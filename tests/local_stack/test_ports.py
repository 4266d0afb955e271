"""Ports: no two stacks share one, and a home uses the same ports until it is moved."""

from __future__ import annotations

import io
import itertools
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from local_stack.errors import StackError
from local_stack.ports import OFFSETS, Ports
from local_stack.servers.seaweed import s3_client
from local_stack.service_catalog import services
from local_stack.stack import OFFSET_VARIABLE, Stack, open_stack, read_stack
from local_stack.supervisor_client import is_running, stop
from neighborconnect.settings import Settings
from tests.conftest import folder_for_servers, offset_for_tests

FIRST_EPHEMERAL_PORT = 32_768


def neighborconnect(*arguments: str, home: Path, offset: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in ``home``, with ``offset`` in the environment if not None, without the session's settings."""
    inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    shell = {OFFSET_VARIABLE: str(offset)} if offset is not None else {}
    return subprocess.run(
        [sys.executable, "-m", "neighborconnect", *arguments],
        env=inherited | {"NEIGHBORCONNECT_HOME": str(home)} | shell,
        capture_output=True,
        text=True,
        check=False,
    )


def files(home: Path) -> dict[Path, tuple[int, bytes]]:
    """Return content and modification time of every file of a home."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in home.rglob("*") if path.is_file()}


def test_no_two_stacks_share_a_port() -> None:
    ports = {offset: set(Ports(offset).all) for offset in OFFSETS}
    assert [pair for pair in itertools.combinations(OFFSETS, 2) if ports[pair[0]] & ports[pair[1]]] == []
    assert all(len(ports[offset]) == len(Ports(offset).all) for offset in OFFSETS)
    assert max(max(numbers) for numbers in ports.values()) < FIRST_EPHEMERAL_PORT


def test_ports_of_the_services_are_the_ports_of_the_stack(tmp_path: Path) -> None:
    stack = open_stack(folder=tmp_path, offset=0)
    used = [port for service in services(stack).values() for port in service.ports]
    assert sorted(used) == sorted(stack.ports.all)


@pytest.fixture
def no_offset_in_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment without the offset of the session's servers."""
    monkeypatch.delenv(OFFSET_VARIABLE, raising=False)


@pytest.mark.usefixtures("no_offset_in_the_shell")
def test_the_offset_belongs_to_the_home(tmp_path: Path) -> None:
    open_stack(folder=tmp_path, offset=100)
    before = files(tmp_path)
    for command in (("servers", "up"), ("up",)):
        done = neighborconnect(*command, home=tmp_path, offset=200)
        assert done.returncode == 1
        assert f"error: {tmp_path} uses port offset 100, and {OFFSET_VARIABLE} is 200: unset that, or" in done.stderr
        assert "`neighborconnect down && neighborconnect ports 200`" in done.stderr
    for command in (("status",), ("status", "--json"), ("servers", "status"), ("ports",)):
        done = neighborconnect(*command, home=tmp_path, offset=200)
        assert f"warning: {OFFSET_VARIABLE} is 200 and is ignored: {tmp_path} uses offset 100." in done.stderr
    assert files(tmp_path) == before
    assert open_stack(folder=tmp_path).ports.offset == 100


def test_reading_changes_nothing(tmp_path: Path) -> None:
    open_stack(folder=tmp_path, offset=100)
    (tmp_path / "secrets.json").write_text('{"postgres": "of an older version"}')
    before = files(tmp_path)
    assert read_stack(tmp_path).secrets["postgres"] == "of an older version"
    assert neighborconnect("status", home=tmp_path).stderr == ""
    assert files(tmp_path) == before


@pytest.mark.usefixtures("no_offset_in_the_shell")
def test_home_at_an_invalid_offset_can_be_moved(tmp_path: Path) -> None:
    stack = open_stack(folder=tmp_path, offset=1_000)
    with pytest.raises(StackError, match="uses port offset 1000, at which it can share ports with another stack"):
        open_stack(folder=tmp_path)
    offset = offset_for_tests(start=8_000)
    assert neighborconnect("ports", str(offset), home=tmp_path).returncode == 0
    assert open_stack(folder=tmp_path).ports.offset == offset
    assert open_stack(folder=tmp_path).secrets == stack.secrets


def test_ports_refuses_invalid_and_taken_offsets(tmp_path: Path) -> None:
    assert "1000 is not a valid offset; use a multiple of 25" in neighborconnect("ports", "1000", home=tmp_path).stderr
    offset = offset_for_tests(start=8_000)
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", Ports(offset).video))
        squatter.listen()
        refusal = neighborconnect("ports", str(offset), home=tmp_path).stderr
    assert f"At offset {offset} port {Ports(offset).video} is taken" in refusal
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def home(server_processes: None) -> Iterator[Path]:
    with folder_for_servers() as folder:
        yield folder
        stop(read_stack(folder))


def write(stack: Stack) -> None:
    with psycopg.connect(stack.database_url("neighborconnect")) as connection:
        connection.execute("CREATE TABLE stored (word text)")
        connection.execute("INSERT INTO stored VALUES ('kept')")
    s3_client(stack).put_object("media", "kept", io.BytesIO(b"kept"), 4)


def read(stack: Stack) -> tuple[str, bytes]:
    with psycopg.connect(stack.database_url("neighborconnect")) as connection:
        ((word,),) = connection.execute("SELECT word FROM stored").fetchall()
    with s3_client(stack).get_object("media", "kept") as response:
        return word, response.read()


def test_remedy_for_a_taken_port_works_and_preserves_data(home: Path) -> None:
    offset = offset_for_tests(start=8_000)
    assert neighborconnect("servers", "up", home=home, offset=offset).returncode == 0
    write(read_stack(home))
    moved = neighborconnect("ports", str(offset + 100), home=home)
    assert "is running; stop it first with `neighborconnect down`" in moved.stderr
    assert neighborconnect("down", home=home).returncode == 0
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", Ports(offset).kafka_controller))
        squatter.listen()
        refused = neighborconnect("servers", "up", home=home)
        assert refused.returncode == 1
        assert not is_running(read_stack(home))
        (remedy,) = re.findall("`(.*)`", refused.stderr)
        for command in remedy.split(" && "):
            program, *arguments = command.split()
            assert program == "neighborconnect"
            assert neighborconnect(*arguments, home=home).returncode == 0
        up = neighborconnect("servers", "up", home=home)
        assert up.returncode == 0, up.stderr
    stack = read_stack(home)
    assert stack.ports.offset != offset
    assert read(stack) == ("kept", b"kept")
