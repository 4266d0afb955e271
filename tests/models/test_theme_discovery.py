"""Themes of mixed texts are separated and named by their own words; too few texts give no themes."""

from __future__ import annotations

from itertools import product

import numpy as np

from models.content.embeddings import embed
from models.content.theme_discovery import MIN_TEXTS, NONE, discover, plot_themes

ABOUT = {
    "tomatoes": ("I planted {} this morning", "{} need compost", "my {} have blight", "who has seeds of {}?"),
    "bicycle": ("my {} has a flat tyre", "fixing the chain of a {}", "a {} ride on Sunday", "selling a {} helmet"),
    "piano": ("a {} concert tonight", "lessons for {}", "my {} wants tuning", "who plays {} four hands?"),
}
MANY = {"tomatoes": ("tomatoes", "cucumbers"), "bicycle": ("bicycle", "bike"), "piano": ("piano", "violin")}


def mixed() -> tuple[list[str], list[str]]:
    texts, known = [], []
    for name, sentences in ABOUT.items():
        for sentence, word, end in product(sentences, MANY[name], ("", " today", ", please")):
            texts.append(sentence.format(word) + end)
            known.append(name)
    return texts, known


def test_mixed_texts_are_told_apart_and_named() -> None:
    texts, known = mixed()
    vectors = embed(texts)
    found = discover(texts, vectors, seed=1)
    labels = np.array(known)
    for theme in range(len(found.themes)):
        inside = labels[found.of_text == theme]
        assert (inside == inside[0]).mean() > 0.9
        words = set(found.themes[theme].words)
        assert words & set(" ".join(text for text, of in zip(texts, found.of_text, strict=True) if of == theme).split())
    assert {labels[found.of_text == theme][0] for theme in range(len(found.themes))} == set(ABOUT)
    sizes = [theme.texts for theme in found.themes]
    assert sizes == sorted(sizes, reverse=True)
    assert plot_themes(found, vectors, title="t", seed=1).axes[0].get_title() == "t"


def test_the_same_seed_finds_the_same() -> None:
    texts, _ = mixed()
    vectors = embed(texts)
    assert discover(texts, vectors, seed=2).themes == discover(texts, vectors, seed=2).themes


def test_of_little_or_of_the_same_nothing_is_told() -> None:
    few = ["a text"] * (MIN_TEXTS - 1)
    same = ["the same text"] * 100
    for texts in ([], few, same):
        vectors = embed(texts)
        found = discover(texts, vectors, seed=1)
        assert found.themes == ()
        assert (found.of_text == NONE).all()
        plot_themes(found, vectors, title="nothing", seed=1)


def test_texts_without_words_have_no_names() -> None:
    texts = [f"{number} !!" for number in range(40)]
    found = discover(texts, embed(texts), seed=1)
    assert all(theme.words == () for theme in found.themes)
