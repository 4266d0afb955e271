"""Text, links and times as the wire carries them: trimmed, in Unicode's composed form, in UTC, and safe to store."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, time
from typing import Annotated

from pydantic import AfterValidator, AnyHttpUrl, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, TypeAdapter

# C0 and C1 controls but tab and newline; a NUL cannot be stored at all.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_DATE = re.compile(r"\s*\d{4}-\d\d-\d\d")
_CLOCK = re.compile(r"\s*\d\d:\d\d")
_URL = TypeAdapter(AnyHttpUrl)


class RequestBody(BaseModel):
    """A body that a client sends: what it does not name is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _clean(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("Text must be valid Unicode") from None
    lines = unicodedata.normalize("NFC", value.replace("\r\n", "\n")).strip()
    if _CONTROL.search(lines):
        raise ValueError("Text must not hold control characters")
    return lines


def _one_line(value: str) -> str:
    if "\n" in value or "\t" in value:
        raise ValueError("Text must be on one line")
    return value


def _http_url(value: str) -> str:
    _URL.validate_python(value)
    return value


# Pydantic takes numbers as well: seconds of the day, and seconds or even milliseconds since 1970. Our description
# says nothing of them.
def _timed(value: object) -> object:
    if not isinstance(value, time) and not (isinstance(value, str) and _CLOCK.match(value)):
        raise ValueError("A time of day must be written as in 22:00:00")
    return value


def _dated(value: object) -> object:
    if not isinstance(value, datetime) and not (isinstance(value, str) and _DATE.match(value)):
        raise ValueError("A time must be written with its date, as in 2026-03-03T08:00:00Z")
    return value


def _utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("The time is beyond the calendar") from None


Text = Annotated[str, BeforeValidator(_clean)]
"""Text of any number of lines, trimmed and normalised to NFC."""
Line = Annotated[str, BeforeValidator(_clean), AfterValidator(_one_line)]
"""Text on one line, trimmed and normalised to NFC."""
Link = Annotated[str, BeforeValidator(_clean), AfterValidator(_one_line), AfterValidator(_http_url)]
"""An absolute http or https address, kept as it was written."""
Moment = Annotated[AwareDatetime, BeforeValidator(_dated), AfterValidator(_utc)]
"""A time as RFC 3339 writes it, in UTC."""
TimeOfDay = Annotated[time, BeforeValidator(_timed)]
"""A time on whatever day, by whichever clock."""


def contains_pattern(words: str) -> str:
    """Return the LIKE pattern of text that contains ``words`` literally; the escape character is a backslash."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", words) + "%"
