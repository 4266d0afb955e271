"""Masking of personal data in logs, and the id of the trace in each line."""

from __future__ import annotations

import subprocess
import sys

import orjson
import pytest

from neighborconnect.telemetry import mask_personal

PROGRAM = """
import logging
from neighborconnect.telemetry import configure_logging, get_logger
from neighborconnect.tracing.provider import start_trace
configure_logging("test")
trace = start_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
get_logger("a").info("letter.sent", to="ada@example.org", password="x", people=[{"phone": "+1 718 555 0114"}], number=3)
logging.getLogger("b").warning("no room for %s", "ada@example.org")
try:
    raise ValueError("ada@example.org eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln")
except ValueError:
    logging.getLogger("c").exception("failed")
"""


@pytest.mark.parametrize(
    "text",
    ["2026-11-24T15:47:20.123456Z", "f61d941e-641d-45e2-9350-e8c76a3a5853", "a@b", "1 + 2 = 3", "GET /users/{user_id}"],
)
def test_other_text_is_not_masked(text: str) -> None:
    assert mask_personal(text) == text


def test_addresses_phone_numbers_and_tokens_are_masked() -> None:
    lines = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True).stdout
    assert not any(secret in lines for secret in ("ada@example.org", "555 0114", "eyJ"))
    first = orjson.loads(lines.splitlines()[0])
    # Lines of the standard library's loggers and of traces that are not recorded have the id, too.
    assert {orjson.loads(line)["trace_id"] for line in lines.splitlines()} == {"0af7651916cd43dd8448eb211c80319c"}
    assert (first["to"], first["password"], first["number"], first["event"]) == ("***", "***", 3, "letter.sent")
