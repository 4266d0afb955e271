"""Real servers for every test that asks for them, started once a session."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from neighborconnect.settings import Settings, get_settings
from neighborconnect.stack.catalogue import SERVERS, child_environment
from neighborconnect.stack.control import stop, wait_for, want
from neighborconnect.stack.layout import Stack, open_stack
from neighborconnect.stack.ports import HOST, Ports

TEST_HOME = "NEIGHBORCONNECT_TEST_HOME"
TEST_PORT_OFFSET = "NEIGHBORCONNECT_TEST_PORT_OFFSET"


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_offset(*, start: int) -> int:
    """Return the first offset from ``start`` in steps of 100 at which nothing listens, so that sessions can meet."""
    return next(offset for offset in range(start, 9_000, 100) if all(map(_is_free, Ports(offset).of_servers)))


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL, Valkey, S3 and Kafka with empty data, their settings in the environment.

    ``NEIGHBORCONNECT_TEST_HOME`` keeps them, with their data, between sessions.
    """
    kept = os.environ.get(TEST_HOME)
    home = Path(kept) if kept else tmp_path_factory.mktemp("stack")
    if not kept:
        # pytest makes its folders for the owner alone, and PostgreSQL steps down from root.
        for folder in (home, *home.parents[:2]):
            folder.chmod(0o711)
    stack = open_stack(folder=home, offset=int(os.environ.get(TEST_PORT_OFFSET) or free_offset(start=900)))
    os.environ.update(child_environment(stack))
    get_settings.cache_clear()
    try:
        want(stack, SERVERS)
        wait_for(stack, SERVERS)
        yield stack
    finally:
        if not kept:
            stop(stack)


@pytest.fixture(scope="session")
def settings(servers: Stack) -> Settings:
    """The settings of the session's servers, with the product's schema migrated to the newest."""
    subprocess.run([sys.executable, "-m", "transactional_api.db.migrate"], check=True)
    return get_settings()


@pytest.fixture(scope="session")
def postgres_admin_url(servers: Stack) -> str:
    """URL of the superuser, for tests that make databases of their own."""
    return servers.database_url("postgres", superuser=True)
