"""The real API in a process of its own, for what the pipelines ask it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from neighborconnect.settings import Settings
from tests.processes import stop_process
from tests.transactional_api.cdc.rows import add_user, connect


@contextmanager
def running_api(settings: Settings) -> Iterator[None]:
    """Run the API at the address of ``API_URL``."""
    process = subprocess.Popen(
        [sys.executable, "-m", "transactional_api"],
        env=os.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 180
        while not _answers(settings):
            assert process.poll() is None, "the API ended"
            assert time.monotonic() < deadline, "the API does not answer"
            time.sleep(0.2)
        yield
    finally:
        stop_process(process)


def _answers(settings: Settings) -> bool:
    try:
        return httpx.get(f"{settings.api_url}/readyz", trust_env=False, timeout=5).status_code < 500
    except httpx.HTTPError:
        return False


def request_erasure(
    settings: Settings, *, keeps_words: bool = False, user_id: uuid.UUID | None = None
) -> tuple[str, str]:
    """Let a person ask to be erased; return the ids of the erasure and of the person."""
    with connect(settings) as connection:
        user = user_id or add_user(connection)
        row = connection.execute(
            "INSERT INTO erasures (user_id, keeps_words, code_hash) VALUES (%s, %s, %s) RETURNING id",
            [user, keeps_words, uuid.uuid4().hex],
        ).fetchone()
    assert row is not None
    return str(row["id"]), str(user)
