"""Types of text, links and times in requests: trimmed, NFC-normalized, in UTC, and safe to store."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, time
from typing import Annotated
from zoneinfo import available_timezones

import regex
from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    SecretStr,
    TypeAdapter,
)

EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Bounds of the times that clients send, so that no later arithmetic leaves the calendar."""
# Characters with a glyph: letters, digits, punctuation, symbols and what Unicode may yet assign. Blank although they
# are in these categories: U+2800 (braille pattern blank), U+FFFC (object replacement), U+13441 and U+13442
# (Egyptian blanks), U+1D159 (null notehead), and everything Default_Ignorable, such as the Hangul fillers.
_VISIBLE = regex.compile(
    r"[[\p{L}\p{N}\p{P}\p{S}\p{Cn}]"
    r"--[\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u2800\uFFFC\U00013441\U00013442\U0001D159]]",
    regex.VERSION1,
)
_BLANK_ENDS = "\u200b\u2060\ufeff\u2800\u3164\uffa0"
# Embeddings, overrides and isolates reorder what is shown after them. The marks (LRM, RLM, ALM) come along with copied
# text and reorder nothing in a name.
_BIDI_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_BIDI_MARKS = re.compile("[\u061c\u200e\u200f]")
_LINE_BREAKS = re.compile("[\n\t\u2028\u2029]")
_SPACES = regex.compile(r"\p{Zs}")
# C0 and C1 controls but tab and newline; a NUL cannot be stored at all.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_DATE = re.compile(r"\s*\d{4}-\d\d-\d\d")
_CLOCK = re.compile(r"\s*\d\d:\d\d")
_URL = TypeAdapter(AnyHttpUrl)
# "localtime" is the zone of this machine, and "Factory" the one of a machine that nobody set up.
_TIME_ZONES = frozenset(available_timezones() - {"localtime", "Factory"})
PASSWORD_LENGTH = (10, 128)


class RequestBody(BaseModel):
    """Base of request bodies: unknown fields are rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def has_visible(text: str) -> bool:
    """Return whether a text has a character that shows: not only spaces, joiners, marks and fillers."""
    return _VISIBLE.search(text) is not None


def _clean(value: object) -> object:
    if not isinstance(value, str):
        return value
    _encodable(value)
    lines = _trim(unicodedata.normalize("NFC", value.replace("\r\n", "\n")))
    if _CONTROL.search(lines):
        raise ValueError("Text must not hold control characters")
    # Invisible text is empty text, so that every required field rejects it.
    return lines if has_visible(lines) else ""


def _encodable(value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("Text must be valid Unicode") from None
    return value


def _trim(value: str) -> str:
    while (shorter := value.strip().strip(_BLANK_ENDS)) != value:
        value = shorter
    return value


def _one_line(value: str) -> str:
    if _LINE_BREAKS.search(value):
        raise ValueError("Text must be on one line")
    if _BIDI_CONTROLS.search(value):
        raise ValueError("Text on one line must not hold characters that change the direction of writing")
    return _BIDI_MARKS.sub("", value)


def _plain(value: object) -> object:
    """Reject text that cannot be stored or returned, without changing it; for tokens and similar values."""
    if isinstance(value, str) and _CONTROL.search(_encodable(value)):
        raise ValueError("Text must not hold control characters")
    return value


def normalize_password(password: str) -> str:
    """Return the form of a password that is hashed: spaces of any kind are one kind, and then NFKC.

    RFC 8265 (OpaqueString) maps the spaces, NIST SP 800-63B asks for NFKC: the same keys give different code points on
    different devices.
    """
    return unicodedata.normalize("NFKC", _SPACES.sub(" ", password))


def _password(value: SecretStr) -> SecretStr:
    _encodable(value.get_secret_value())
    return value


def _new_password(value: SecretStr) -> SecretStr:
    plain = value.get_secret_value()
    if _CONTROL.search(plain):
        raise ValueError("A password must not hold control characters")
    if plain and not has_visible(plain):
        raise ValueError("A password must have characters that show")
    if len(normalize_password(plain)) < PASSWORD_LENGTH[0]:
        raise ValueError(f"A password should have at least {PASSWORD_LENGTH[0]} characters")
    return value


def is_time_zone(name: str) -> bool:
    """Return whether a name of the IANA database names the zone of a place, or UTC."""
    return name in _TIME_ZONES


def _time_zone(name: str) -> str:
    if not is_time_zone(name):
        raise ValueError("The time zone must be a name of the IANA database, such as Europe/Amsterdam")
    return name


def _http_url(value: str) -> str:
    _URL.validate_python(value)
    return value


# Pydantic also accepts numbers (seconds of the day, Unix seconds or milliseconds), which the API does not document.
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
        moment = at.astimezone(UTC)
    except OverflowError:
        raise ValueError("The time is beyond the calendar") from None
    if not EARLIEST <= moment < LATEST:
        raise ValueError(f"The time must be between the years {EARLIEST.year} and {LATEST.year}")
    return moment


Text = Annotated[str, BeforeValidator(_clean)]
"""Text of any number of lines, trimmed and normalized to NFC."""
Line = Annotated[str, BeforeValidator(_clean), AfterValidator(_one_line)]
"""Text on one line, trimmed and normalized to NFC, without bidirectional control characters."""
PlainText = Annotated[str, BeforeValidator(_plain)]
"""Protocol text as sent: a token, a code, a state."""
Password = Annotated[SecretStr, AfterValidator(_password)]
"""A password to verify."""
NewPassword = Annotated[SecretStr, AfterValidator(_password), AfterValidator(_new_password)]
"""A password to set."""
TimeZone = Annotated[str, BeforeValidator(_clean), AfterValidator(_time_zone)]
"""A name of the IANA time zone database."""
Link = Annotated[str, BeforeValidator(_clean), AfterValidator(_one_line), AfterValidator(_http_url)]
"""An absolute http or https address, stored as sent."""
Moment = Annotated[AwareDatetime, BeforeValidator(_dated), AfterValidator(_utc)]
"""A time as RFC 3339 writes it, in UTC."""
TimeOfDay = Annotated[time, BeforeValidator(_timed)]
"""A time of day without a date or time zone."""
