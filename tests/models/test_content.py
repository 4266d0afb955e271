"""The content models: how they are served, what a policy makes of them, and whom they must not flag."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.content.analyzer import MODERATION, SPAM, TextAnalyzer
from models.content.encoder import DIMENSIONS, MAX_TOKENS, normalized, tokenize, windows
from models.content.evaluate import benign_texts, bias_report
from models.content.export import export
from models.content.feedback import MIN_DECISIONS, Feedback, adapt
from models.content.labels import LABELS
from models.content.languages import language_of
from models.content.policy import PolicyError, read_policy
from models.content.predictor import Task
from models.content.topics import Taxonomy, taxonomy
from models.content.train import shipped_adapters
from neighborconnect.contracts.content import Verdict

SEED = 7


@pytest.fixture(scope="module")
def encoder() -> Task:
    return Task.load(export(None, quantize=True))


def test_eight_bits_say_nearly_the_same(encoder: Task) -> None:
    texts = [text for text, _ in benign_texts()][:40]
    whole = Task.load(export(None, quantize=False)).run(texts)
    small = encoder.run(texts)
    assert small.shape == (40, DIMENSIONS)
    assert np.allclose(np.linalg.norm(small, axis=1), 1, atol=1e-3)
    assert (whole * small).sum(axis=1).min() > 0.9


def test_order_and_company_change_no_answer(encoder: Task) -> None:
    texts = ["A tap drips.", "What a long afternoon it was at the seed swap of our street, thank you all!", "Hi"]
    together, alone = encoder.run(texts), np.concatenate([encoder.run([text]) for text in texts])
    assert (together * alone).sum(axis=1).min() > 0.97


@given(st.text(max_size=3_000))
def test_any_text_is_read_within_bounds(text: str) -> None:
    tokens = tokenize([normalized(text)])
    assert 1 <= tokens.ids.shape[1] <= MAX_TOKENS
    assert tokens.ids.shape == tokens.mask.shape


def test_names_and_addresses_are_not_read() -> None:
    assert normalized("Hi @Ada, see https://example.org/?q=1 &amp; www.example.org") == "Hi @user, see http & http"
    assert normalized("  ") == "."


def test_topics_are_those_that_a_text_is_near_to(encoder: Task) -> None:
    topics = Taxonomy.of(taxonomy(), embed=encoder.run)
    for text, topic in {
        "My tomatoes need compost, who has some?": "gardening",
        "Has anybody seen my grey cat?": "pets",
        "The kitchen tap leaks, I need a plumber.": "repairs",
    }.items():
        assert topic in [name for name, _ in topics.of_vector(encoder.run([text])[0], limit=2)], text
    assert topics.of_vector(encoder.run(["zxqv 17 qq"])[0], limit=2) == []


def test_a_policy_decides_by_its_strictest_category() -> None:
    policy = read_policy()
    assert policy.labels == {*LABELS}
    for name, limits in policy.categories.items():
        assert policy.verdict({name: limits.review - 0.01}) is Verdict.ALLOW
        assert policy.verdict({name: limits.review, "self_harm": 1.0}) is Verdict.REVIEW
        assert policy.verdict({name: limits.block}) is Verdict.BLOCK


def test_self_harm_leads_to_help_and_to_no_verdict() -> None:
    policy = read_policy()
    assert policy.verdict({"self_harm": 1.0}) is Verdict.ALLOW
    assert policy.offers_help({"self_harm": policy.help["self_harm"]})
    assert not policy.offers_help({"self_harm": policy.help["self_harm"] - 0.01, "toxicity": 1.0})


@pytest.mark.parametrize("text", ["", "Hello.", "well " * 3_000, "庭" * 3_000, "x" * 10_000, "a.b," * 2_500])
def test_the_parts_of_a_text_cover_it_and_fit_the_encoder(text: str) -> None:
    parts = windows(text)
    assert all(len(tokenize([text[begin:end]], max_tokens=10_000).ids[0]) <= MAX_TOKENS for begin, end in parts)
    covered = {place for begin, end in parts for place in range(begin, end)}
    assert {place for place, letter in enumerate(text) if not letter.isspace()} <= covered


class Watchful:
    """Task whose score is high in the part with the word, and only there."""

    classes = ("identity_hate", "toxicity", "no_spam", "spam")

    def run(self, texts: list[str]) -> np.ndarray:
        return np.array([[0.0, 0.99, 0.0, 0.99] if "vile" in one else [0.0, 0.0, 1.0, 0.0] for one in texts])


@pytest.mark.parametrize("before", [0, 100, 1_900])
def test_a_long_text_counts_as_its_worst_part(before: int) -> None:
    tasks: dict[str, Any] = {MODERATION: Watchful(), SPAM: Watchful()}
    topics: Any = None
    analyzer = TextAnalyzer(tasks, topics, read_policy(), "v1")
    text = "well " * before + "vile" + " well" * 50
    response = analyzer.moderate(text)
    assert response.verdict is not Verdict.ALLOW
    assert [text[one.begin : one.end] for one in response.highlights] == ["vile"]
    assert analyzer.spam(text).is_spam
    assert analyzer.moderate("well " * 2_000).verdict is Verdict.ALLOW


class Unsure:
    """A task in whose eyes every text is spam with 0.6."""

    classes = ("no_spam", "spam")

    def run(self, texts: list[str]) -> np.ndarray:
        return np.array([[0.4, 0.6]] * len(texts))


@pytest.mark.parametrize(
    ("behaviour", "signals"),
    [
        ({}, []),
        ({"texts_last_hour": 2, "account_days": 400.0}, []),
        ({"texts_last_hour": 15}, ["words", "posting_burst"]),
        ({"account_days": 0.5}, ["words", "new_account"]),
    ],
)
def test_suspicious_authors_have_a_lower_spam_threshold(behaviour: dict[str, float], signals: list[str]) -> None:
    tasks: dict[str, Any] = {SPAM: Unsure()}
    topics: Any = None
    response = TextAnalyzer(tasks, topics, read_policy(), "v1").spam("A text", **behaviour)  # type: ignore[arg-type]
    assert (response.is_spam, response.signals) == ("words" in signals, signals)


VALID_POLICY = """
max_false_positive_rate = 0.1
[hate]
review = 0.5
block = 0.9
[spam]
threshold = 0.5
suspicious_threshold = 0.4
new_account_days = 2
burst_threshold_per_hour = 15
[sentiment]
neutral_below = 0.3
"""
INVALID_POLICIES = [
    "",
    "nonsense",
    "max_false_positive_rate = 0.1",
    VALID_POLICY.replace("review = 0.5", "review = 0.95"),
    VALID_POLICY.replace("suspicious_threshold = 0.4", "suspicious_threshold = 0.6"),
    VALID_POLICY.replace("new_account_days = 2\n", ""),
    VALID_POLICY.replace("block = 0.9", "block = 1.1"),
    VALID_POLICY + "[self_harm]\nhelp = 1.1\n",
    VALID_POLICY + "[gate]\nmin_something = 0.5\n",
]


def test_valid_policy_is_read() -> None:
    policy = read_policy(VALID_POLICY)
    assert (policy.spam.suspicious_threshold, policy.categories["hate"].review) == (0.4, 0.5)


@pytest.mark.parametrize("text", INVALID_POLICIES)
def test_invalid_policy_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        read_policy(text)


def test_false_positives_are_counted_by_group() -> None:
    unfair = bias_report(lambda texts: ["Muslim" in text for text in texts])
    assert unfair.by_identity["religion"] == pytest.approx(1 / 6)
    assert unfair.max_false_positive_rate_by_group == unfair.by_identity["religion"] > unfair.false_positive_rate > 0
    assert bias_report(lambda texts: [False] * len(texts)).max_false_positive_rate_by_group == 0


def decisions(number: int, *, rng: np.random.Generator) -> Feedback:
    """Moderators who find talk of parking unwanted, which no model was ever taught."""
    words = ("parked", "your van", "double-parking", "the car on the pavement")
    calm = ("the flowers", "the choir", "the new swings", "your soup")
    texts, labels = [], []
    for place in range(number):
        unwanted = place % 2 == 0
        word = str(rng.choice(words if unwanted else calm))
        texts.append(f"Again {word}, number {int(rng.integers(1, 99))}, just like last week.")
        labels.append("offensive" if unwanted else "neither")
    return Feedback(tuple(texts), tuple(labels), tuple(map(str, range(number))))


def test_adapted_head_predicts_later_decisions() -> None:
    adapter = shipped_adapters()["moderation"]
    result = adapt(adapter, decisions(180, rng=np.random.default_rng(SEED)), seed=SEED)
    assert result.passed, result.reasons
    assert result.metrics["agreement_after"] > result.metrics["agreement_before"] + 0.2
    assert result.adapter.matrices is adapter.matrices


def test_few_decisions_or_contradictory_ones_teach_nothing() -> None:
    adapter, rng = shipped_adapters()["moderation"], np.random.default_rng(SEED)
    few = adapt(adapter, decisions(MIN_DECISIONS - 1, rng=rng), seed=SEED)
    assert (few.passed, few.adapter) == (False, adapter)
    response = decisions(120, rng=rng)
    tossed = Feedback(
        response.texts, tuple(str(rng.choice(("offensive", "neither"))) for _ in response.labels), response.sources
    )
    assert not adapt(adapter, tossed, seed=SEED).passed


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("My tomatoes are a delight this year.", "en"),
        ("Wer hat noch Tomatensamen für mich übrig?", "de"),
        ("Vendo mi bicicleta de montaña, está casi nueva y es muy barata, escríbeme.", "es"),
        ("Продаю старый велосипед, почти новый", "ru"),
        ("ok", None),
        ("👍👍👍 !!! 123", None),
        ("", None),
    ],
)
def test_a_language_is_told_where_it_is_sure(text: str, language: str | None) -> None:
    assert language_of(text) == language
