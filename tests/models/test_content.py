"""The content models: how they are served, what a policy makes of them, and whom they must not flag."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.content.analyst import MODERATION, SPAM, Analyst
from models.content.encoder import DIMENSIONS, MAX_TOKENS, normalised, tokenize, windows
from models.content.evaluate import bias_report, harmless
from models.content.export import export
from models.content.feedback import LEAST_DECISIONS, Feedback, adapt
from models.content.languages import language_of
from models.content.policy import PolicyError, read_policy
from models.content.predictor import Task
from models.content.topics import Taxonomy, taxonomy
from models.content.train import shipped
from neighborconnect.contracts.content import Verdict

SEED = 7


@pytest.fixture(scope="module")
def encoder() -> Task:
    return Task.load(export(None, small=True))


def test_eight_bits_say_nearly_the_same(encoder: Task) -> None:
    texts = [text for text, _ in harmless()][:40]
    whole = Task.load(export(None, small=False)).run(texts)
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
    tokens = tokenize([normalised(text)])
    assert 1 <= tokens.ids.shape[1] <= MAX_TOKENS
    assert tokens.ids.shape == tokens.mask.shape


def test_names_and_addresses_are_not_read() -> None:
    assert normalised("Hi @Ada, see https://example.org/?q=1 &amp; www.example.org") == "Hi @user, see http & http"
    assert normalised("  ") == "."


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
    hate, offensive = policy.categories["hate"], policy.categories["offensive"]
    assert policy.verdict({"hate": 0.0, "offensive": 0.0}) is Verdict.ALLOW
    assert policy.verdict({"hate": 0.0, "offensive": offensive.review}) is Verdict.REVIEW
    assert policy.verdict({"hate": hate.block, "offensive": 0.0}) is Verdict.BLOCK


@pytest.mark.parametrize("text", ["", "Hello.", "well " * 3_000, "庭" * 3_000, "x" * 10_000, "a.b," * 2_500])
def test_the_parts_of_a_text_cover_it_and_fit_the_encoder(text: str) -> None:
    parts = windows(text)
    assert all(len(tokenize([text[begin:end]], max_tokens=10_000).ids[0]) <= MAX_TOKENS for begin, end in parts)
    covered = {place for begin, end in parts for place in range(begin, end)}
    assert {place for place, letter in enumerate(text) if not letter.isspace()} <= covered


class Watchful:
    """A task that finds what it looks for in the part that has the word, and only there."""

    classes = ("hate", "offensive", "no_spam", "spam")

    def run(self, texts: list[str]) -> np.ndarray:
        return np.array([[0.0, 0.99, 0.0, 0.99] if "vile" in one else [0.0, 0.0, 1.0, 0.0] for one in texts])


@pytest.mark.parametrize("before", [0, 100, 1_900])
def test_a_long_text_counts_as_its_worst_part(before: int) -> None:
    tasks: dict[str, Any] = {MODERATION: Watchful(), SPAM: Watchful()}
    topics: Any = None
    analyst = Analyst(tasks, topics, read_policy(), "v1")
    text = "well " * before + "vile" + " well" * 50
    said = analyst.moderate(text)
    assert said.verdict is not Verdict.ALLOW
    assert [text[one.begin : one.end] for one in said.highlights] == ["vile"]
    assert analyst.spam(text).is_spam
    assert analyst.moderate("well " * 2_000).verdict is Verdict.ALLOW


class Unsure:
    """A task in whose eyes every text is spam with 0.6."""

    classes = ("no_spam", "spam")

    def run(self, texts: list[str]) -> np.ndarray:
        return np.array([[0.4, 0.6]] * len(texts))


@pytest.mark.parametrize(
    ("behaviour", "signals"),
    [
        ({}, []),
        ({"written": 2, "account_days": 400.0}, []),
        ({"written": 15}, ["words", "writes_much"]),
        ({"account_days": 0.5}, ["words", "new_account"]),
    ],
)
def test_of_who_is_new_or_writes_much_less_is_spam(behaviour: dict[str, float], signals: list[str]) -> None:
    tasks: dict[str, Any] = {SPAM: Unsure()}
    topics: Any = None
    said = Analyst(tasks, topics, read_policy(), "v1").spam("A text", **behaviour)  # type: ignore[arg-type]
    assert (said.is_spam, said.signals) == ("words" in signals, signals)


def test_a_policy_of_before_there_were_suspects_suspects_nobody() -> None:
    limits = read_policy(LOOKED_AT_LATER_THAN_KEPT_BACK.replace("block = 0.5", "block = 0.95")).spam
    assert (limits.suspect_flag, limits.new_days, limits.much_an_hour) == (0.5, 0.0, float("inf"))


LOOKED_AT_LATER_THAN_KEPT_BACK = """
most_flagged = 0.1
[hate]
review = 0.9
block = 0.5
[spam]
flag = 0.5
[sentiment]
neutral_below = 0.3
"""


SUSPECTS_BETTER_OFF = LOOKED_AT_LATER_THAN_KEPT_BACK.replace("block = 0.5", "block = 0.95").replace(
    "flag = 0.5", "flag = 0.5\nsuspect_flag = 0.6"
)


@pytest.mark.parametrize(
    "text", ["", "nonsense", "most_flagged = 0.1", LOOKED_AT_LATER_THAN_KEPT_BACK, SUSPECTS_BETTER_OFF]
)
def test_a_policy_that_cannot_be_used_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        read_policy(text)


def test_whoever_is_flagged_for_who_they_are_is_counted() -> None:
    unfair = bias_report(lambda texts: ["Muslim" in text for text in texts])
    assert unfair.by_identity["religion"] == pytest.approx(1 / 6)
    assert unfair.worst == unfair.by_identity["religion"] > unfair.everywhere > 0
    assert bias_report(lambda texts: [False] * len(texts)).worst == 0


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


def test_moderators_teach_the_head_and_it_foretells_their_later_decisions() -> None:
    adapter = shipped()["moderation"]
    result = adapt(adapter, decisions(180, rng=np.random.default_rng(SEED)), seed=SEED)
    assert result.passed, result.reasons
    assert result.metrics["agreement_after"] > result.metrics["agreement_before"] + 0.2
    assert result.adapter.matrices is adapter.matrices


def test_few_decisions_or_contradictory_ones_teach_nothing() -> None:
    adapter, rng = shipped()["moderation"], np.random.default_rng(SEED)
    few = adapt(adapter, decisions(LEAST_DECISIONS - 1, rng=rng), seed=SEED)
    assert (few.passed, few.adapter) == (False, adapter)
    said = decisions(120, rng=rng)
    tossed = Feedback(said.texts, tuple(str(rng.choice(("offensive", "neither"))) for _ in said.labels), said.sources)
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
