"""How others did it, as far as what they published tells, so that they can be judged by the same protocol as we are."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from models.content.data import LabelledTexts
from models.content.encoder import FloatArray
from models.content.evaluate import learnt

Peer = Callable[[LabelledTexts, Sequence[str]], FloatArray]
"""From what is learnt from, and n texts, to (n, classes) probabilities."""
_LEFT_OUT = re.compile(r"https?://\S+|@[\w-]+")


def balanced_words(train: LabelledTexts, test: Sequence[str]) -> FloatArray:
    """Return what few words and runs of words, in classes that count alike, say of ``test``: (n, classes).

    The recipe of Davidson, Warmsley, Macy and Weber, "Automated Hate Speech Detection and the Problem of Offensive
    Language", ICWSM 2017, without the parts of speech, the sentiment and the readability that they also look at.
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
    return learnt(make_pipeline(words, chosen, ridge), train, test)
