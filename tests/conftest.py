"""Real servers for every test that asks for them, started once a session."""

from __future__ import annotations

import atexit
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path, PurePosixPath

import hypothesis
import psycopg
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from local_stack.ports import OFFSET_STEP, find_free_offset
from local_stack.service_catalog import SERVERS, child_environment
from local_stack.stack import Stack, open_stack
from local_stack.supervisor_client import request_services, stop, wait_until_up
from neighborconnect.settings import Settings, get_settings

TEST_HOME = "NEIGHBORCONNECT_TEST_HOME"
TEST_PORT_OFFSET = "NEIGHBORCONNECT_TEST_PORT_OFFSET"

TESTS = Path(__file__).parent
# Their tests share no fixture that is expensive, other than the servers, which each worker has.
FOLDERS_BY_FILE = ("transactional_api", "models", "neighborconnect", "tools")
# The longest first.
SLOW_FOLDERS = ("e2e", "bentos", "models")
LAST_FOLDER = "transactional_api"
# Files of `LAST_FOLDER` with few tests that take minutes.
SLOW_FILES = ("test_plans.py", "test_erasure.py", "test_copies.py")
# Tests that need servers as a whole, install packages, or take seconds to import or to run.
NOT_QUICK = (
    *SLOW_FOLDERS,
    "broker",
    "clients",
    "dbt_project",
    "recovery",
    "pipelines/privacy",
    "pipelines/quality",
    "pipelines/query",
    "pipelines/rebuild",
    "pipelines/training_sets",
    "transactional_api/cdc",
    "feature_repo/test_vendor_patches.py",
    "local_stack/test_error_messages.py",
    "local_stack/test_ports.py",
    "pipelines/stream/test_window.py",
    "pipelines/test_empty_input.py",
    "tools/test_build_docs.py",
)
SERVER_FIXTURE = "server_processes"
# The second block of offsets, so that a session leaves those alone that people use. A session tries free ports in
# steps of 100; the workers of one session lie between them.
FIRST_OFFSET = 4_000

FOLDER_EXIT = pytest.StashKey[ExitStack]()

# No test asserts a time: the machines are shared. Every run has the same examples.
hypothesis.settings.register_profile(
    "shared-machine", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared-machine")


def worker() -> int:
    """Return which of pytest-xdist's workers this process is; 0 where there are none."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


class SchedulingByFolder(LoadScopeScheduling):
    """Gives all tests that share an expensive fixture to one worker: a folder, or a file of `FOLDERS_BY_FILE`."""

    def _split_scope(self, nodeid: str) -> str:
        path = PurePosixPath(nodeid.partition("::")[0]).relative_to(TESTS.name)
        return str(path if path.parts[0] in FOLDERS_BY_FILE or len(path.parts) == 1 else path.parent)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SchedulingByFolder:
    """Replace the scheduler, whatever ``--dist`` says."""
    return SchedulingByFolder(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of ``make check``."""
    parser.addoption("--quick", action="store_true", help="run only fast tests that start no server and train no model")


def needs_servers(item: pytest.Item) -> bool:
    """Whether a test requests, directly or through other fixtures, one that starts servers."""
    return isinstance(item, pytest.Function) and SERVER_FIXTURE in item.fixturenames


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Save the time of importing what ``--quick`` excludes."""
    return True if config.getoption("--quick") and collection_path in map(TESTS.joinpath, NOT_QUICK) else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without garbage collection: millions of objects of modules are made, and stay until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        # The interpreter frees them at its exit; before, pytest would go through all of them ten times.
        atexit.register(gc.unfreeze)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Stop what the tests of a folder started when its last test has ended; at the end of the session, fixtures do."""
    if nextitem is not None and nextitem.path.parent != item.path.parent:
        item.config.stash.get(FOLDER_EXIT, ExitStack()).close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what ``--quick`` excludes, and sort folders and files so that workers end at the same time.

    The slowest folders come first. The files of `LAST_FOLDER` come last, by their number of tests, so that only short
    ones remain when a worker ends.
    """
    folders = {item: item.path.relative_to(TESTS).parts[0] for item in items}
    rank = {name: place for place, name in enumerate(SLOW_FOLDERS)} | {LAST_FOLDER: len(SLOW_FOLDERS) + 1}
    tests_in = Counter(item.path for item in items if folders[item] == LAST_FOLDER)

    def order(item: pytest.Item) -> tuple[int, bool, int]:
        return rank.get(folders[item], len(SLOW_FOLDERS)), item.path.name not in SLOW_FILES, -tests_in[item.path]

    items.sort(key=order)
    if config.getoption("--quick"):
        excluded = [item for item in items if needs_servers(item)]
        config.hook.pytest_deselected(items=excluded)
        items[:] = [item for item in items if not needs_servers(item)]


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


def settings_of(values: Mapping[str, str | None]) -> Settings:
    """Return settings of variables, with lists in JSON; they take precedence over the environment."""
    given = {name.lower(): value for name, value in values.items() if value is not None}
    return Settings.model_validate(
        {name: json.loads(value) if value.startswith("[") else value for name, value in given.items()}
    )


def offset_for_tests(*, start: int) -> int:
    """Return the first offset from ``start`` in steps of 100 at which nothing listens, so that sessions can meet."""
    offset = find_free_offset(start=start + worker() * OFFSET_STEP, step=100)
    assert offset is not None, f"no free ports from offset {start}"
    return offset


def do_not_sync(postgres_url: str) -> None:
    """Have commits wait for the operating system only: a killed server loses nothing; a machine without power would."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def server_processes(request: pytest.FixtureRequest) -> None:
    """Permission to start servers. Each fixture or test that starts one requests it; ``--quick`` refuses it."""
    assert not request.config.getoption("--quick"), "requested at run time: name the fixture in the signature"


@pytest.fixture(scope="session")
def folder_exit(request: pytest.FixtureRequest) -> ExitStack:
    """Callbacks for the end of the folder, which stop processes that would slow down the tests of other folders."""
    return request.config.stash.setdefault(FOLDER_EXIT, ExitStack())


@pytest.fixture(scope="session")
def servers(server_processes: None) -> Iterator[Stack]:
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
            request_services(stack, SERVERS)
            wait_until_up(stack, SERVERS)
            do_not_sync(stack.database_url("postgres", superuser=True))
            yield stack
        finally:
            if not kept:
                stop(stack)


@pytest.fixture(scope="session")
def settings(servers: Stack) -> Settings:
    """The settings of the session's servers, with the product's schema migrated to the newest."""
    subprocess.run([sys.executable, "-m", "transactional_api.core.db.migrate"], check=True)
    return get_settings()


@pytest.fixture(scope="session")
def postgres_admin_url(servers: Stack) -> str:
    """URL of the superuser, for tests that make databases of their own."""
    return servers.database_url("postgres", superuser=True)
