"""Mention replacement: the text around a replaced name is unchanged, and the spans match the new text."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from models.content.mention_replacement import MentionReplacer, Span

KINDS = ("person", "place")
WORDS = st.text("abc ", max_size=8)
NAMES = st.tuples(st.text("XYZ", min_size=1, max_size=5), st.sampled_from(KINDS))


@st.composite
def marked(draw: st.DrawFn) -> tuple[str, list[Span]]:
    """A text with small letters around names in capitals."""
    text, spans = draw(WORDS), []
    for name, kind in draw(st.lists(NAMES, max_size=4)):
        spans.append((len(text), len(text) + len(name), kind))
        text += name + " " + draw(WORDS)
    return text, spans


@given(st.lists(marked(), min_size=1, max_size=6), st.integers(0, 50))
def test_only_names_change_and_only_to_names_of_their_kind(texts: list[tuple[str, list[Span]]], seed: int) -> None:
    swaps = MentionReplacer([text for text, _ in texts], [spans for _, spans in texts], seed=seed)
    known = {kind: {text[b:e] for text, spans in texts for b, e, k in spans if k == kind} for kind in KINDS}
    for text, spans in texts:
        drawn, moved = swaps.replace(text, spans)
        assert re.sub("[XYZ]+", "*", drawn) == re.sub("[XYZ]+", "*", text)
        assert [kind for *_, kind in moved] == [kind for *_, kind in spans]
        assert [match.span() for match in re.finditer("[XYZ]+", drawn)] == [(begin, end) for begin, end, _ in moved]
        assert all(drawn[begin:end] in known[kind] for begin, end, kind in moved)


def test_names_are_replaced_and_a_seed_repeats_the_replacement() -> None:
    texts = [f"We met {name} there" for name in ("Ada", "Ben", "Cleo", "Dot")]
    spans = [[(7, 7 + len(text.split()[2]), "person")] for text in texts]
    one, other = (MentionReplacer(texts, spans, seed=1) for _ in range(2))
    drawn = [one.replace(texts[0], spans[0])[0] for _ in range(60)]
    assert [other.replace(texts[0], spans[0])[0] for _ in range(60)] == drawn
    assert set(drawn) == set(texts)


def test_names_within_names_stay() -> None:
    text, spans = "The Bank of York is open", [(4, 16, "organisation"), (12, 16, "place")]
    swaps = MentionReplacer([text, "Rome"], [spans, [(0, 4, "place")]], seed=2)
    assert {swaps.replace(text, spans)[0] for _ in range(40)} == {text}
    assert swaps.replace("Nobody is here", []) == ("Nobody is here", [])
