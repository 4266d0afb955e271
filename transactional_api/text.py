"""Text, links and numbers as the wire carries them: trimmed, in Unicode's composed form, and safe to store."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, AnyHttpUrl, BaseModel, BeforeValidator, ConfigDict, TypeAdapter

# C0 and C1 controls but tab and newline; a NUL cannot be stored at all.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
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


Text = Annotated[str, BeforeValidator(_clean)]
"""Text of any number of lines, trimmed and normalised to NFC."""
Line = Annotated[str, BeforeValidator(_clean), AfterValidator(_one_line)]
"""Text on one line, trimmed and normalised to NFC."""
Link = Annotated[str, BeforeValidator(_clean), AfterValidator(_one_line), AfterValidator(_http_url)]
"""An absolute http or https address, kept as it was written."""


def contains_pattern(words: str) -> str:
    """Return the LIKE pattern of text that contains ``words`` literally; the escape character is a backslash."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", words) + "%"
