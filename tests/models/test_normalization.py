"""Normalization restores disguised words, and changes nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.content.analyzer import MODERATION, SPAM, TextAnalyzer
from models.content.normalization import normalize
from models.content.policy import read_policy
from neighborconnect.contracts.content import Verdict
from neighborconnect.text_folding import fold

DISGUISED = [
    ("i d i o t", "idiot"),
    ("y o u  are s.t.u.p.i.d", "you are stupid"),
    ("I h a t e women", "i hate women"),
    ("1d10ts everywhere", "idiots everywhere"),
    ("a$$hole b!tch f*ck", "asshole bitch fuck"),
    ("Ihatemuslims", "i hate muslims"),
    ("Womenaredisgusting.", "women are disgusting."),
    ("mulsims and immgrants", "muslims and immigrants"),
    ("mus lims", "muslims"),
    ("idiooooot, waaaay tooooo far", "idiot, way too far"),
    ("\u0456d\u0456\u043et", "idiot"),
    ("\uff49\uff44\uff49\uff4f\uff54", "idiot"),
    ("\U0001d422\U0001d41d\U0001d422\U0001d428\U0001d42d", "idiot"),
    ("i\u200bd\u2060io\u00adt", "idiot"),
    ("i\u0337\u0321d\u0336i\u0338o\u0334t", "idiot"),
    ("&#105;diot", "idiot"),
    ("IHateGays", "I Hate Gays"),
]
PLAIN = [
    "Call me at 7pm: the 5k run starts on the 2nd floor, route B12, 4x4 only, 20 dollars.",
    "Cockburn Street in Scunthorpe has a farmersmarket, says the assessment.",
    "See https://example.org/1d10t or write to me@1d10t.example or @idi0t",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430? my friend",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u094b\u0938\u094d\u0924",
    "co-op, re-use, non-binary, John's e.g. this i.e. that",
    "\U0001f44d\U0001f44d",
]


@pytest.mark.parametrize(("disguised", "plain"), DISGUISED)
def test_disguised_words_are_restored(disguised: str, plain: str) -> None:
    assert normalize(disguised) == plain


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_are_not_changed(text: str) -> None:
    assert normalize(text) == text


@given(st.text(max_size=400) | st.text(alphabet="ab1$*@ .\u200b\u0301\u0430", max_size=400))
def test_any_text_is_normalized_within_bounds(text: str) -> None:
    assert len(normalize(text)) <= 20 * len(text) + 1
    assert fold(fold(text)) == fold(text) or "&" in text


@pytest.mark.parametrize("unit", ["x", "a b ", "e\u0301\u0302", "1d10t ", "a$1", "f* ", "\U0001d422", "\u202e\u200b"])
def test_long_disguises_are_normalized(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    assert len(normalize(text)) <= 2 * len(text)


class Watchful:
    """Task whose score is high for texts with the word; remembers what it was asked."""

    classes = ("identity_hate", "toxicity", "neither", "spam")

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(self, texts: list[str]) -> np.ndarray:
        self.asked += texts
        return np.array([[0.0, 0.99, 0.0, 0.99] if "vile" in one else [0.0, 0.0, 1.0, 0.0] for one in texts])


def analyzer_with(task: Watchful) -> TextAnalyzer:
    tasks: dict[str, Any] = {MODERATION: task, SPAM: task}
    topics: Any = None
    return TextAnalyzer(tasks, topics, read_policy(), "v1")


@pytest.mark.parametrize("text", ["so v i l e", "v1le", "\uff56\uff49\uff4c\uff45", "v\u200bile", "vi\u0336le"])
def test_the_models_read_the_normalized_text(text: str) -> None:
    analyzer = analyzer_with(Watchful())
    response = analyzer.moderate(text)
    assert response.verdict is not Verdict.ALLOW
    assert all(span.end <= len(text) for span in response.highlights)
    assert analyzer.spam(text).is_spam


@pytest.mark.parametrize("text", ["", "\U0001f44d\U0001f44d", "123 456", ":-) !!!", "\u200b\u200b", "<3"])
def test_no_model_is_asked_about_texts_without_letters(text: str) -> None:
    task = Watchful()
    analyzer = analyzer_with(task)
    assert analyzer.moderate(text).verdict is Verdict.ALLOW
    assert not analyzer.spam(text).is_spam
    assert task.asked == []


def test_words_that_a_disguise_makes_longer_are_read() -> None:
    bold = "\U0001d42c\U0001d428\U0001d426\U0001d41e\U0001d430\U0001d421\U0001d41a\U0001d42d "
    analyzer = analyzer_with(Watchful())
    assert analyzer.moderate(bold * 300 + "vile" + bold * 300).verdict is not Verdict.ALLOW
