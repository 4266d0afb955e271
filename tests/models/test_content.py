"""The content models: learning, what is kept of it, how it is served, and whom it must not flag."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.content.adapter import Adapter, AdapterError, from_bytes, to_bytes
from models.content.analyst import SPAM, Analyst
from models.content.data import LabelledTexts, labelled
from models.content.encoder import DIMENSIONS, MAX_TOKENS, normalised, tokenize
from models.content.evaluate import baseline, bias_report, classes_of, harmless, paired, span_f1
from models.content.export import export
from models.content.feedback import LEAST_DECISIONS, Feedback, adapt
from models.content.languages import language_of
from models.content.policy import PolicyError, read_policy
from models.content.predictor import Task, spans_of
from models.content.shapes import SHAPES, shape_of, shapes_of
from models.content.topics import Taxonomy, taxonomy
from models.content.train import shipped
from models.content.tuning import Settings, bio, epochs_for, token_labels, tune, tune_tokens
from neighborconnect.contracts.content import Verdict

SEED = 7
GOOD = ("lovely", "friendly", "delicious", "wonderful", "helpful", "beautiful")
BAD = ("dirty", "broken", "rude", "awful", "noisy", "boring")
THINGS = ("the garden", "our street", "this bakery", "the meeting", "that neighbour", "the playground")


def reviews() -> LabelledTexts:
    """A made-up set that no trainer has seen, of two classes that differ by their adjective."""
    pairs = [
        (f"I find {thing} {word}.", name)
        for name, words in (("plus", GOOD), ("minus", BAD))
        for word in words
        for thing in THINGS
    ]
    return labelled(pairs, classes=("minus", "plus"))


@pytest.fixture(scope="module")
def taught() -> Adapter:
    train, _ = reviews().split(share=0.3, seed=SEED)
    return tune("reviews", train, settings=Settings(epochs=6, batch=8, dropout=0.0), seed=SEED)


@pytest.fixture(scope="module")
def encoder() -> Task:
    return Task.load(export(None, small=True))


def test_a_set_that_nobody_has_seen_is_learnt(taught: Adapter) -> None:
    _, test = reviews().split(share=0.3, seed=SEED)
    found = classes_of(Task.load(export(taught, small=True), classes=taught.classes).run(test.texts))
    assert (found == test.labels).mean() >= 0.9


def test_what_there_is_less_of_is_seen_oftener() -> None:
    times = [epochs_for(examples) for examples in (1e9, 16_384, 4_096, 1_024, 128, 1, 0)]
    assert times[:2] == [1, 1]
    assert times == sorted(times)
    assert times[-1] <= 10


def test_how_often_texts_were_seen_is_kept() -> None:
    few = reviews().rows(range(4))
    once = tune("reviews", few, settings=Settings(epochs=1), seed=SEED)
    by_number = tune("reviews", few, settings=Settings(), seed=SEED)
    assert (once.card["settings"]["epochs"], by_number.card["settings"]["epochs"]) == (1, epochs_for(2))


def test_what_is_kept_of_a_task_gives_the_same_answers(taught: Adapter) -> None:
    again = from_bytes(to_bytes(taught))
    assert (again.task, again.classes, again.by_token) == ("reviews", ("minus", "plus"), False)
    texts = ["I find the market lovely.", "I find the bus awful."]
    left, right = (Task.load(export(one, small=False)).run(texts) for one in (taught, again))
    assert np.abs(left - right).max() < 0.01


@pytest.mark.parametrize("data", [b"", b"no", to_bytes.__doc__.encode() if to_bytes.__doc__ else b"x"])
def test_other_bytes_are_no_adapter(data: bytes) -> None:
    with pytest.raises(AdapterError):
        from_bytes(data)


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


@pytest.mark.parametrize(
    ("pairs", "classes"), [([], ("a",)), ([(" ", "a")], ("a",)), ([("x", "b")], ("a",))], ids=["none", "blank", "other"]
)
def test_what_cannot_be_learnt_from_is_refused(pairs: list[tuple[str, str]], classes: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"class|text"):
        labelled(pairs, classes=classes)


def test_the_baseline_learns_and_a_difference_has_an_interval() -> None:
    train, test = reviews().split(share=0.5, seed=SEED)
    found = baseline(train, test.texts)
    nothing = np.zeros_like(found)
    better = paired("accuracy", test.labels, found, nothing, seed=SEED)
    assert better.low <= better.value <= better.high
    assert better.low > 0


@given(st.text(max_size=300))
def test_every_token_of_any_text_has_the_shape_of_its_word(text: str) -> None:
    tokens = tokenize([text])
    [shapes] = shapes_of([text], tokens)
    for shape, (begin, end) in zip(shapes, tokens.spans[0], strict=False):
        assert (SHAPES[shape] == "none") == (begin == end)


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("rose", "small"),
        ("Rose,", "Capital"),
        ("BBC", "LARGE"),
        ("McDonald", "oTHer"),
        ("Zoë's", "Capital"),
        ("Élodie", "Capital"),
        ("5pm", "mixed"),
        ("£12.50", "number"),
        ("!!", "mark"),
        ("@ada", "@person"),
        ("#tools", "#tag"),
        ("https://example.org", "address"),
        ("漢字", "oTHer"),
    ],
)
def test_a_word_has_a_shape(word: str, shape: str) -> None:
    assert shape_of(word) == shape


def test_names_are_told_by_how_they_are_written() -> None:
    words = ("Rose", "Will", "Hope", "Mark", "Daisy", "Joy", "Bill", "Grace")
    marked = [
        (text := f"{before} {word if large else word.lower()} {after}", [(text.index(" ") + 1,) * 2] if large else [])
        for word in words
        for before, after in (("We", "in the park"), ("You", "by noon"), ("They", "once more"))
        for large in (True, False)
    ]
    texts = [text for text, _ in marked]
    spans = [[(begin, text.index(" ", begin), "person") for begin, _ in found] for text, found in marked]
    how = Settings(epochs=12, batch=8, dropout=0.0)
    adapter = from_bytes(to_bytes(tune_tokens("names", texts, spans, classes=("person",), settings=how, seed=SEED)))
    task = Task.load(export(adapter, small=True), classes=adapter.classes)
    assert task.spans("She would will it so") == []
    assert task.spans("She met Will there") == [(8, 12, "person")]
    # A version of before does not look at it.
    blind = Task.load(export(replace(adapter, shapes=None), small=True), classes=adapter.classes)
    assert blind.spans("She met Will there") == blind.spans("She met will there")


def test_tokens_become_spans_again() -> None:
    text = "Ada Okafor met Ben in New York."
    wanted = [(0, 10, "person"), (15, 18, "person"), (22, 30, "location")]
    labels, tokens = bio(("person", "location")), tokenize([text])
    found = token_labels(tokens.spans[0], wanted, {name: place for place, name in enumerate(labels)})
    told = [labels[label] if label >= 0 else "O" for label in found]
    assert spans_of(tokens.spans[0], told) == wanted
    assert span_f1([wanted], [wanted]) == (1.0, 1.0, pytest.approx(1.0))
    assert span_f1([wanted], [wanted[:1]])[1] == pytest.approx(1 / 3)


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
