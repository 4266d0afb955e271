"""What a log line may not hold."""

from __future__ import annotations

import subprocess
import sys

import orjson
import pytest

from neighborconnect.telemetry import mask_personal

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
    "words",
    ["2026-11-24T15:47:20.123456Z", "f61d941e-641d-45e2-9350-e8c76a3a5853", "a@b", "1 + 2 = 3", "GET /users/{user_id}"],
)
def test_what_is_not_personal_stays(words: str) -> None:
    assert mask_personal(words) == words


def test_no_line_has_an_address_a_phone_number_or_a_token() -> None:
    lines = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True).stdout
    assert not any(words in lines for words in ("ada@example.org", "555 0114", "eyJ"))
    first = orjson.loads(lines.splitlines()[0])
    assert (first["to"], first["password"], first["number"], first["event"]) == ("***", "***", 3, "letter.sent")
