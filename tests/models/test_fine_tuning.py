"""Fine-tuning of content tasks, and the saved adapters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.content.adapter import Adapter, AdapterError, from_bytes, to_bytes
from models.content.data import LabeledTexts, labeled_texts
from models.content.encoder import tokenize
from models.content.evaluate import baseline, classes_of, paired_difference, span_f1
from models.content.export import export
from models.content.fine_tuning import (
    FineTuningConfig,
    bio,
    epochs_for,
    fine_tune,
    fine_tune_multi_label,
    fine_tune_tokens,
    token_labels,
)
from models.content.predictor import Task, spans_of
from models.content.word_shapes import SHAPES, shape_of, shapes_of

SEED = 7
GOOD = ("lovely", "friendly", "delicious", "wonderful", "helpful", "beautiful")
BAD = ("dirty", "broken", "rude", "awful", "noisy", "boring")
THINGS = ("the garden", "our street", "this bakery", "the meeting", "that neighbour", "the playground")


def reviews() -> LabeledTexts:
    """A made-up set that no trainer has seen, of two classes that differ by their adjective."""
    pairs = [
        (f"I find {thing} {word}.", name)
        for name, words in (("plus", GOOD), ("minus", BAD))
        for word in words
        for thing in THINGS
    ]
    return labeled_texts(pairs, classes=("minus", "plus"))


@pytest.fixture(scope="module")
def taught() -> Adapter:
    train, _ = reviews().split(share=0.3, seed=SEED)
    return fine_tune("reviews", train, config=FineTuningConfig(epochs=6, batch=8, dropout=0.0), seed=SEED)


def test_a_set_that_nobody_has_seen_is_learnt(taught: Adapter) -> None:
    _, test = reviews().split(share=0.3, seed=SEED)
    found = classes_of(Task.load(export(taught, quantize=True), classes=taught.classes).run(test.texts))
    assert (found == test.labels).mean() >= 0.9


def test_of_few_examples_the_means_are_known_before_training() -> None:
    train, test = reviews().split(share=0.3, seed=SEED)
    untaught = fine_tune("reviews", train, config=FineTuningConfig(epochs=1, learning_rate=0.0), seed=SEED)
    found = classes_of(Task.load(export(untaught, quantize=False), classes=untaught.classes).run(test.texts))
    assert (found == test.labels).mean() >= 0.8


def test_a_training_continues_from_an_adapter() -> None:
    texts = ["I find the garden lovely.", "I find the garden dirty."] * 4
    targets = np.array([[1.0], [0.0]] * 4, dtype=np.float32)
    config = FineTuningConfig(epochs=2, batch=4, dropout=0.0)
    first = fine_tune_multi_label("praise", texts, targets, classes=("praise",), config=config, seed=SEED)
    still = replace(config, epochs=1, learning_rate=0.0)
    again = fine_tune_multi_label(
        "praise", texts, targets, classes=("praise",), config=still, seed=SEED + 1, start=first
    )
    assert np.array_equal(again.head, first.head)
    assert again.matrices.keys() == first.matrices.keys()
    for name, matrices in first.matrices.items():
        assert all(np.array_equal(left, right) for left, right in zip(matrices, again.matrices[name], strict=True))
    moved = fine_tune_multi_label("praise", texts, targets, classes=("praise",), config=config, seed=SEED, start=first)
    assert not np.array_equal(moved.head, first.head)


def test_an_empty_class_and_identical_texts_are_accepted() -> None:
    same = labeled_texts([("the same", "a"), ("the same", "b")], classes=("a", "b", "never"))
    adapter = fine_tune("same", same, config=FineTuningConfig(epochs=1), seed=SEED)
    assert np.isfinite(adapter.head).all()
    assert np.isfinite(adapter.bias).all()


def test_what_there_is_less_of_is_seen_oftener() -> None:
    times = [epochs_for(examples) for examples in (1e9, 16_384, 4_096, 1_024, 128, 1, 0)]
    assert times[:2] == [1, 1]
    assert times == sorted(times)
    assert times[-1] <= 10


def test_how_often_texts_were_seen_is_kept() -> None:
    few = reviews().rows(range(4))
    once = fine_tune("reviews", few, config=FineTuningConfig(epochs=1), seed=SEED)
    by_number = fine_tune("reviews", few, config=FineTuningConfig(), seed=SEED)
    assert (once.card["settings"]["epochs"], by_number.card["settings"]["epochs"]) == (1, epochs_for(2))


def test_what_is_kept_of_a_task_gives_the_same_answers(taught: Adapter) -> None:
    again = from_bytes(to_bytes(taught))
    assert (again.task, again.classes, again.by_token) == ("reviews", ("minus", "plus"), False)
    texts = ["I find the market lovely.", "I find the bus awful."]
    left, right = (Task.load(export(one, quantize=False)).run(texts) for one in (taught, again))
    assert np.abs(left - right).max() < 0.01


@pytest.mark.parametrize("data", [b"", b"no", to_bytes.__doc__.encode() if to_bytes.__doc__ else b"x"])
def test_other_bytes_are_no_adapter(data: bytes) -> None:
    with pytest.raises(AdapterError):
        from_bytes(data)


@pytest.mark.parametrize(
    ("pairs", "classes"), [([], ("a",)), ([(" ", "a")], ("a",)), ([("x", "b")], ("a",))], ids=["none", "blank", "other"]
)
def test_what_cannot_be_learnt_from_is_refused(pairs: list[tuple[str, str]], classes: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"class|text"):
        labeled_texts(pairs, classes=classes)


def test_a_rare_class_is_predicted_where_a_text_supports_it() -> None:
    probabilities = np.array([[0.8, 0.2, 0.0], [0.95, 0.05, 0.0]], dtype=np.float32)
    assert classes_of(probabilities).tolist() == [0, 0]
    data = labeled_texts([("a", "many")] * 9 + [("b", "few")], classes=("many", "few", "none"))
    assert data.shares.tolist() == [0.9, 0.1, 0.0]
    assert classes_of(probabilities, shares=data.shares).tolist() == [1, 0]


def test_the_baseline_learns_and_a_difference_has_an_interval() -> None:
    train, test = reviews().split(share=0.5, seed=SEED)
    found = classes_of(baseline(train, test.texts))
    nothing = np.zeros_like(found)
    better = paired_difference("accuracy", test.labels, found, nothing, seed=SEED)
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
    how = FineTuningConfig(epochs=12, batch=8, dropout=0.0)
    adapter = from_bytes(to_bytes(fine_tune_tokens("names", texts, spans, classes=("person",), config=how, seed=SEED)))
    task = Task.load(export(adapter, quantize=True), classes=adapter.classes)
    assert task.spans("She would will it so") == []
    assert task.spans("She met Will there") == [(8, 12, "person")]
    # A version of before does not look at it.
    blind = Task.load(export(replace(adapter, shapes=None), quantize=True), classes=adapter.classes)
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
