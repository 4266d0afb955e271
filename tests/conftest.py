"""Real servers for every test that asks for them, started once a session."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path, PurePosixPath

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from neighborconnect.settings import Settings, get_settings
from neighborconnect.stack.catalogue import SERVERS, child_environment
from neighborconnect.stack.control import stop, wait_for, want
from neighborconnect.stack.layout import Stack, open_stack
from neighborconnect.stack.ports import OFFSET_STEP, free_offset

TEST_HOME = "NEIGHBORCONNECT_TEST_HOME"
TEST_PORT_OFFSET = "NEIGHBORCONNECT_TEST_PORT_OFFSET"

TESTS = Path(__file__).parent
FIRST = ("e2e", "bentos", "models")
# The second block of offsets, so that a session leaves those alone that people use. A session tries free ports in
# steps of 100; the workers of one session lie between them.
FIRST_OFFSET = 4_000

# No test asserts a time: the machines are shared.
hypothesis.settings.register_profile(
    "shared-machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared-machine")


def worker() -> int:
    """Return which of pytest-xdist's workers this process is; 0 where there are none."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


class ByCost(LoadScopeScheduling):
    """Gives a worker what shares fixtures that cost much: a folder, or a file of the API's, which share the servers."""

    def _split_scope(self, nodeid: str) -> str:
        path = PurePosixPath(nodeid.partition("::")[0]).relative_to(TESTS.name)
        return str(path if path.parts[0] == "transactional_api" else path.parent)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByCost:
    """Replace the scheduler, whatever ``--dist`` says."""
    return ByCost(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what takes longest go first, so that no worker is left alone with it at the end."""
    rank = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path.relative_to(TESTS).parts[0], len(FIRST)))


@contextmanager
def folder_for_servers() -> Iterator[Path]:
    """Make a data folder outside of pytest's own, and delete it at the end.

    Where the stack runs as root, PostgreSQL runs as another user. pytest closes its folders to other users, and does so
    again whenever another session begins.
    """
    folder = Path(tempfile.mkdtemp(prefix="neighborconnect-test-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def offset_for_tests(*, start: int) -> int:
    """Return the first offset from ``start`` in steps of 100 at which nothing listens, so that sessions can meet."""
    offset = free_offset(start=start + worker() * OFFSET_STEP, step=100)
    assert offset is not None, f"no free ports from offset {start}"
    return offset


@pytest.fixture(scope="session")
def servers() -> Iterator[Stack]:
    """PostgreSQL, Valkey, S3 and Kafka with empty data, their settings in the environment.

    ``NEIGHBORCONNECT_TEST_HOME`` keeps them, with their data, between sessions.
    """
    kept = os.environ.get(TEST_HOME)
    with nullcontext(Path(kept)) if kept else folder_for_servers() as home:
        stack = open_stack(
            folder=home, offset=int(os.environ.get(TEST_PORT_OFFSET) or offset_for_tests(start=FIRST_OFFSET))
        )
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
