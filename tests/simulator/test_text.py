"""Generated texts."""

from __future__ import annotations

import random
import re

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from simulator.text import Writer
from simulator.vocabulary import Category, load_vocabulary

VOCABULARY = load_vocabulary()


@pytest.mark.parametrize("category", VOCABULARY.categories, ids=lambda category: category.name)
def test_each_category_has_40_patterns_and_three_themes(category: Category) -> None:
    assert len(set(category.titles + category.openings + category.details + category.asks + category.comments)) >= 40
    assert len(category.themes) == 3


def test_texts_have_no_placeholder_or_double_article() -> None:
    writer = Writer(VOCABULARY, seed=1)
    for category, theme in VOCABULARY.themes:
        for _ in range(60):
            texts = (*writer.post(category, theme), writer.comment(category, theme))
            for text in texts:
                assert not re.search(r"[{}]|\b([Mm]y|[Oo]ur|[Yy]our|[Tt]he) an? ", text), text


def test_connector_names_are_unique() -> None:
    writer = Writer(VOCABULARY, seed=1)
    category, theme = VOCABULARY.themes[0]
    names = [writer.connector(category, theme, home="Millbrook")[0] for _ in range(30)]
    assert len(set(names)) == len(names)


def test_category_can_be_predicted_from_the_text() -> None:
    writer = Writer(VOCABULARY, seed=2)
    rows = [
        (category.name, " ".join(writer.post(category, theme)))
        for category, theme in VOCABULARY.themes
        for _ in range(30)
    ]
    random.Random(0).shuffle(rows)
    names, texts = [name for name, _ in rows], TfidfVectorizer().fit_transform([text for _, text in rows])
    half = len(rows) // 2
    classifier = LogisticRegression(max_iter=200).fit(texts[:half], names[:half])
    assert classifier.score(texts[half:], names[half:]) > 0.95
