"""Summary of an HTML page: title, description and name of the site, as plain text."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from html.parser import HTMLParser
from typing import Final

MAX_TITLE: Final = 200
MAX_DESCRIPTION: Final = 300
MAX_SITE_NAME: Final = 100
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_CHARSET_BYTES = 1_024
# Open Graph, then Twitter cards, then HTML: the first that a page has.
_TITLES = ("og:title", "twitter:title", "title")
_DESCRIPTIONS = ("og:description", "twitter:description", "description")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


@dataclass(frozen=True, slots=True)
class PageSummary:
    """Title, description and site of a page, each at most as long as its limit."""

    title: str | None
    description: str | None
    site_name: str | None


def summarize(body: bytes, content_type: str) -> PageSummary:
    """Return the summary of a page, for a process of the sandbox; the body may be cut off anywhere."""
    head = _Head()
    # Not closed: the parser would look for the end of each unfinished comment again, in quadratic time.
    with suppress(AssertionError):  # Of the parser, for some declarations; what came before them counts.
        head.feed(_decoded(body, content_type))
    return PageSummary(
        title=head.text(_TITLES, MAX_TITLE),
        description=head.text(_DESCRIPTIONS, MAX_DESCRIPTION),
        site_name=head.text(("og:site_name", "application-name"), MAX_SITE_NAME),
    )


def _decoded(body: bytes, content_type: str) -> str:
    declared = _META_CHARSET.search(body[:_CHARSET_BYTES])
    for name in (_charset(content_type), declared[1].decode("ascii") if declared else None):
        # Unknown codecs, codecs that are not of text, and codecs that do not replace errors.
        with suppress(LookupError, ValueError):
            if name:
                return body.decode(name, "replace")
    return body.decode("utf-8", "replace")


def _charset(content_type: str) -> str | None:
    header = Message()
    with suppress(LookupError, ValueError):
        header["Content-Type"] = content_type
        return header.get_content_charset()
    return None


class _Head(HTMLParser):
    """Collects the first value of each name from the head of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._values: dict[str, str] = {}
        self._title: list[str] | None = None
        self._ended = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Read a ``meta`` element, or begin the title; the body has neither."""
        if self._ended:
            return
        if tag == "body":
            self._ended = True
        elif tag == "title" and "title" not in self._values:
            self._title = []
        elif tag == "meta":
            named = dict(attrs)
            name, content = named.get("property") or named.get("name"), named.get("content")
            if name and content and content.strip():
                self._values.setdefault(name.strip().lower(), content)

    def handle_data(self, data: str) -> None:
        """Collect the text of the title."""
        if self._title is not None:
            self._title.append(data)

    def handle_endtag(self, tag: str) -> None:
        """End the title or the head."""
        if tag == "title" and self._title is not None:
            if text := "".join(self._title).strip():
                self._values["title"] = text
            self._title = None
        elif tag == "head":
            self._ended = True

    def text(self, names: tuple[str, ...], longest: int) -> str | None:
        """Return the first of the values as one line of visible characters, at most ``longest``."""
        value = next((self._values[name] for name in names if name in self._values), "")
        spaced = " ".join(value[: 10 * longest].split())
        visible = "".join(one for one in spaced if unicodedata.category(one) not in _INVISIBLE)
        if len(visible) > longest:
            visible = visible[: longest - 1].rstrip() + "…"
        return visible or None
