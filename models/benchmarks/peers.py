"""Published methods, reimplemented to be evaluated by the same protocol."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from models.content.data import LabeledTexts
from models.content.encoder import FloatArray
from models.content.evaluate import fit_predict

Peer = Callable[[LabeledTexts, Sequence[str]], FloatArray]
"""Function of the training set and n texts; returns (n, classes) probabilities."""
_LEFT_OUT = re.compile(r"https?://\S+|@[\w-]+")


def balanced_words(train: LabeledTexts, test: Sequence[str]) -> FloatArray:
    """Return the (n, classes) probabilities of a class-balanced logistic regression on selected n-grams.

    The method of Davidson, Warmsley, Macy and Weber, "Automated Hate Speech Detection and the Problem of Offensive
    Language", ICWSM 2017, without its features of part of speech, sentiment and readability.
    """
    words = TfidfVectorizer(
        preprocessor=lambda text: _LEFT_OUT.sub("", text).lower(),
        token_pattern="[a-z]+",  # noqa: S106 - a pattern
        stop_words="english",
        ngram_range=(1, 3),
        min_df=5,
        max_features=10_000,
        norm=None,
        smooth_idf=False,
    )
    lasso = LogisticRegression(class_weight="balanced", solver="liblinear", l1_ratio=1, C=0.01)
    chosen = SelectFromModel(
        OneVsRestClassifier(lasso),
        threshold=1e-5,
        importance_getter=lambda fitted: np.vstack([one.coef_ for one in fitted.estimators_]),
    )
    ridge = OneVsRestClassifier(LogisticRegression(class_weight="balanced", solver="liblinear"))
    return fit_predict(make_pipeline(words, chosen, ridge), train, test)
