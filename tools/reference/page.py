"""A generated page of the reference, and the Markdown that its parts need."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_NOTE = "*Generated from the code by `python -m tools.reference`; do not edit.*"


@dataclass
class Page:
    """One generated page.

    Attributes:
        name: file name without the suffix.
        title: first heading.
        intro: paragraph under the heading.
        sections: heading (empty for none) and Markdown body of each part.
        problems: entries that lack a description, in words.
    """

    name: str
    title: str
    intro: str
    sections: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """Return the page as Markdown."""
        parts = [f"# {self.title}", self.intro, _NOTE]
        for heading, body in self.sections:
            parts += [f"## {heading}", body] if heading else [body]
        return "\n\n".join(parts) + "\n"


def cell(text: object) -> str:
    """Return text on one line that a Markdown table cell can hold."""
    return re.sub(r"\s+", " ", str(text)).strip().replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(cell(value) for value in row)} |" for row in rows]
    return "\n".join(lines)


def first_sentence(docstring: str | None) -> str:
    """Return the first paragraph of a docstring on one line."""
    return cell(inspect.cleandoc(docstring or "").partition("\n\n")[0])
