"""Masking of personal data in logs, and propagation of the W3C trace context."""

from __future__ import annotations

import re
import subprocess
import sys

import orjson
import pytest

from neighborconnect.telemetry import current_traceparent, end_trace, mask_personal, start_trace

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

PROGRAM = """
import logging
from neighborconnect.telemetry import configure_logging, get_logger
configure_logging("test")
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
    assert (first["to"], first["password"], first["number"], first["event"]) == ("***", "***", 3, "letter.sent")


class TestTraceContext:
    def test_valid_traceparent_continues_its_trace(self) -> None:
        token = start_trace(TRACEPARENT)
        try:
            current = current_traceparent()
        finally:
            end_trace(token)
        assert current is not None
        _, trace_id, span_id, flags = current.split("-")
        assert (trace_id, flags) == (TRACEPARENT.split("-")[1], "01")
        assert span_id != TRACEPARENT.split("-")[2]

    @pytest.mark.parametrize(
        "traceparent",
        [
            None,
            "",
            "00-abc-def-01",
            TRACEPARENT.upper() + "Z",
            f"00-{'0' * 32}-b7ad6b7169203331-01",
            "ff" + TRACEPARENT[2:],
        ],
    )
    def test_invalid_traceparent_starts_a_new_trace(self, traceparent: str | None) -> None:
        token = start_trace(traceparent)
        try:
            current = current_traceparent()
        finally:
            end_trace(token)
        assert current is not None
        assert re.fullmatch(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01", current)
        assert current.split("-")[1] != TRACEPARENT.split("-")[1]

    def test_end_restores_the_enclosing_trace(self) -> None:
        assert current_traceparent() is None
        outer = start_trace(TRACEPARENT)
        enclosing = current_traceparent()
        end_trace(start_trace())
        assert current_traceparent() == enclosing
        end_trace(outer)
        assert current_traceparent() is None
