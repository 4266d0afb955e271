"""Scripts written without spaces: runs of letters in a query are phrases, because documents store bigrams."""

from __future__ import annotations

import re
from collections.abc import Iterable

from transactional_api.community.search.syntax import Syntax

# The scripts of migration 0038.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f\uac00-\ud7a3\uf900-\ufaff\U00020000-\U000323af\uff66-\uff9d"
)
_IDEOGRAPHS = re.compile("[\u3005-\u30ff\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U000323af]")
_RUN = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_LETTER = re.compile(f"[{_UNSPACED}]")
MAX_LETTERS, MAX_IDEOGRAPHS = 14, 5
"""Maximum length of a run that is taken for one word and must match; only most of a longer one must match."""


def is_unspaced(words: str) -> bool:
    """Return whether a text begins with a letter of a script written without spaces."""
    return _LETTER.match(words) is not None


def with_runs(syntax: Syntax) -> Syntax:
    """Return the query with each short run of a script without spaces as a phrase of its letters."""
    words: list[tuple[str, ...]] = []
    phrases = list(syntax.phrases)
    for group in syntax.words:
        if len(group) > 1 or _LETTER.search(group[0]) is None:
            words.append(group)
            continue
        for run in _meaningful(_RUN.findall(group[0])):
            if is_unspaced(run) and len(run) <= (MAX_IDEOGRAPHS if _IDEOGRAPHS.match(run) else MAX_LETTERS):
                phrases.append(run)
            else:
                words.append((run,))
    return Syntax(tuple(words), tuple(phrases), syntax.excluded)


def _meaningful(runs: Iterable[str]) -> Iterable[str]:
    return (run for run in runs if re.search(r"\w", run) is not None)


def prefixed(phrase: str, *, words: str) -> str:
    """Return the query of a phrase; for a single letter, a prefix query that matches every bigram with it."""
    return f"{phrase}:*" if len(words.strip()) == 1 and is_unspaced(words.strip()) else phrase
