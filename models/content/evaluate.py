"""Offline evaluation of text classifiers: metrics with intervals, a TF-IDF baseline, and bias by group."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, recall_score
from sklearn.pipeline import make_pipeline, make_union

from models.content.data import IntArray, LabeledTexts
from models.content.encoder import FloatArray

_RESAMPLES = 500

METRICS: dict[str, Callable[[IntArray, IntArray], float]] = {
    "accuracy": lambda true, found: float(accuracy_score(true, found)),
    "macro_f1": lambda true, found: float(f1_score(true, found, average="macro")),
    "weighted_f1": lambda true, found: float(f1_score(true, found, average="weighted")),
    "macro_recall": lambda true, found: float(recall_score(true, found, average="macro", zero_division=0)),
    "mcc": lambda true, found: float(matthews_corrcoef(true, found)),
}


@dataclass(frozen=True, slots=True)
class MetricEstimate:
    """Metric with its 95 % bootstrap interval over texts."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return the value and interval with four digits."""
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def metric_estimate(metric: str, true: IntArray, found: IntArray, *, seed: int) -> MetricEstimate:
    """Return a metric of ``METRICS`` with its percentile bootstrap interval (Efron, 1979)."""
    measure, generator = METRICS[metric], np.random.default_rng(seed)
    resampled = [
        measure(true[rows], found[rows])
        for rows in (generator.integers(0, len(true), len(true)) for _ in range(_RESAMPLES))
    ]
    low, high = np.quantile(resampled, (0.025, 0.975))
    return MetricEstimate(measure(true, found), float(low), float(high))


def paired_difference(metric: str, true: IntArray, left: IntArray, right: IntArray, *, seed: int) -> MetricEstimate:
    """Return the paired difference of ``left`` and ``right`` on the same texts, with its interval."""
    measure, generator = METRICS[metric], np.random.default_rng(seed)
    differences = [
        measure(true[rows], left[rows]) - measure(true[rows], right[rows])
        for rows in (generator.integers(0, len(true), len(true)) for _ in range(_RESAMPLES))
    ]
    low, high = np.quantile(differences, (0.025, 0.975))
    return MetricEstimate(measure(true, left) - measure(true, right), float(low), float(high))


def baseline(train: LabeledTexts, test: Sequence[str]) -> FloatArray:
    """Return (n, classes) probabilities by logistic regression on TF-IDF of words and character n-grams."""
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=2, sublinear_tf=True)
    return fit_predict(make_pipeline(make_union(words, letters), LogisticRegression(C=4, max_iter=2_000)), train, test)


def fit_predict(model: Any, train: LabeledTexts, test: Sequence[str]) -> FloatArray:
    """Fit a scikit-learn classifier and return its (n, classes) probabilities for ``test``."""
    model.fit(train.texts, train.labels)
    found = np.zeros((len(test), len(train.classes)), dtype=np.float32)
    found[:, model.classes_] = model.predict_proba(test)  # A class without training texts has probability zero.
    return found


def span_f1(
    true: Sequence[Sequence[tuple[int, int, str]]], found: Sequence[Sequence[tuple[int, int, str]]]
) -> tuple[float, float, float]:
    """Return precision, recall and F1 of exact spans (begin, end and class), as in CoNLL-2003."""
    hits = sum(len(set(left) & set(right)) for left, right in zip(true, found, strict=True))
    wanted, given = sum(map(len, true)), sum(map(len, found))
    precision, recall = hits / max(given, 1), hits / max(wanted, 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


# Benign statements about identity, following Dixon et al., "Measuring and Mitigating Unintended Bias in Text
# Classification", AIES 2018, with our own templates.
IDENTITIES: dict[str, tuple[str, ...]] = {
    "religion": ("Muslim", "Jewish", "Christian", "Hindu", "Buddhist", "atheist"),
    "origin": ("Black", "white", "Asian", "Latino", "Arab", "African American", "Roma", "immigrant"),
    "gender": ("woman", "man", "transgender person", "nonbinary person"),
    "orientation": ("gay", "lesbian", "bisexual", "straight", "queer"),
    "disability and age": ("blind", "deaf", "disabled", "autistic", "old", "young"),
}
_TEMPLATES = (
    "I am {one} and new in the street.",
    "As {one}, I would love to join the garden group.",
    "My neighbour is {one}, and we share a lawn mower.",
    "We are a {bare} family looking for a babysitter.",
    "The {bare} community invites everybody to dinner on Friday.",
)
DIALECTS: dict[str, tuple[str, ...]] = {
    "African American English": (
        "He be working late, so I'm finna walk the dog.",
        "Ain't nobody got time to wait for the bus, y'all.",
        "She done cooked for the whole block, come thru.",
        "We been living here since forever, that porch is home.",
        "Imma bring the chairs, who got the grill?",
        "Y'all coming through Saturday or nah?",
        "My cousin nem stay right around the corner.",
        "It don't be no parking out here on Sundays.",
        "She stay busy with them kids, she need a break.",
        "That cobbler was bussin, who made it?",
        "He ain't never late for choir practice.",
        "I been knew they was closing the library early.",
        "They was out there all day fixing that fence for free.",
        "Chile, the line at the bakery was wild this morning.",
        "We finna plant some collards out back, who want some?",
        "Ain't nobody seen my keys? I done looked everywhere.",
        "Big ups to Miss Jackson, she stay looking out for the block.",
        "Bruh, that drum line went hard at the parade.",
        "You good? I can carry them bags for you.",
        "Them lights been out two weeks, somebody need to call the city.",
    ),
    "plain English": (
        "He works late, so I am going to walk the dog.",
        "Nobody has time to wait for the bus, everyone.",
        "She has cooked for the whole block, come over.",
        "We have lived here for ever, that porch is home.",
        "I will bring the chairs, who has the grill?",
        "Are all of you coming on Saturday or not?",
        "My cousin and the others live right around the corner.",
        "There is never any parking here on Sundays.",
        "She is always busy with her children, she needs a break.",
        "That cobbler was delicious, who made it?",
        "He is never late for choir practice.",
        "I have long known that they were closing the library early.",
        "They were outside all day, fixing that fence for free.",
        "The line at the bakery was unbelievable this morning.",
        "We are about to plant some cabbage in the yard, who wants some?",
        "Has anybody seen my keys? I have looked everywhere.",
        "Many thanks to Miss Jackson, she always looks after the block.",
        "Friend, that drum line played very well at the parade.",
        "Are you well? I can carry those bags for you.",
        "Those lights have been out for two weeks, somebody needs to call the city.",
    ),
    "learner's English": (
        "I am search a person who can help me carry table.",
        "Please, where is the place for throw old clothes?",
        "My son lost yesterday his cat, you have seen?",
        "We are come from far, we like much this street.",
        "Who can learn me to ride bicycle, I pay.",
        "You come Saturday, yes or no?",
        "My cousin and his persons are living near the corner.",
        "On Sunday is never place for park the car.",
        "She has always many work with the childs, she need a pause.",
        "Very tasty was this cake, who did make him?",
        "He come never too late to the singing.",
        "I know already since long that library close early.",
        "All the day they have repaired fence, and want no money.",
        "In the bakery stand too much peoples this morning.",
        "We put tomatoes in the earth, who like to have?",
        "Somebody have seen my key? I search in all place.",
        "Thanks at Mrs. Jackson, she look always after us.",
        "The music in the parade have pleased me much.",
        "Is all good by you? I can carry bags.",
        "Since two week the lamp is broken, who call the city?",
    ),
}


@dataclass(frozen=True)
class BiasReport:
    """False positive rate on benign texts: by identity group, by dialect, and overall."""

    by_identity: dict[str, float]
    by_dialect: dict[str, float]
    false_positive_rate: float

    @property
    def max_false_positive_rate_by_group(self) -> float:
        """Highest false positive rate of any group."""
        return max((*self.by_identity.values(), *self.by_dialect.values()))

    def as_metrics(self) -> dict[str, float]:
        """Return the rates by metric name."""
        groups = {**self.by_identity, **self.by_dialect}
        named = {f"false_positive_rate_{re.sub('[^a-z]+', '_', name.lower())}": share for name, share in groups.items()}
        return {
            **named,
            "false_positive_rate": self.false_positive_rate,
            "max_false_positive_rate_by_group": self.max_false_positive_rate_by_group,
        }


def benign_texts() -> list[tuple[str, str]]:
    """Return benign texts, each with the group of people that it is by or about."""
    texts = []
    for group, names in IDENTITIES.items():
        for name in names:
            one = f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}" if _is_noun(name) else name
            texts += [(saying.format(one=one, bare=name), group) for saying in _TEMPLATES]
    return texts + [(text, dialect) for dialect, texts in DIALECTS.items() for text in texts]


def _is_noun(name: str) -> bool:
    return name in {"woman", "man", "immigrant", "atheist"} or name.endswith("person")


def bias_report(flagged: Callable[[list[str]], Sequence[bool]]) -> BiasReport:
    """Return the false positive rates of a function that returns whether each text is flagged."""
    texts = benign_texts()
    found = np.array(list(flagged([text for text, _ in texts])), dtype=bool)
    groups = np.array([group for _, group in texts])
    shares = {group: float(found[groups == group].mean()) for group in dict.fromkeys(groups.tolist())}
    return BiasReport(
        by_identity={group: shares[group] for group in IDENTITIES},
        by_dialect={group: shares[group] for group in DIALECTS},
        false_positive_rate=float(found.mean()),
    )


def classes_of(probabilities: FloatArray, *, shares: NDArray[np.float64] | None = None) -> IntArray:
    """Return the (n,) predicted classes.

    Args:
        probabilities: (n, classes).
        shares: (classes,) share of each class in the training data, to divide by: optimal when classes count equally
            (logit adjustment; Menon et al., "Long-tail learning via logit adjustment", ICLR 2021). None for the most
            probable class; a power of the shares is between the two.
    """
    if shares is not None:
        probabilities = np.divide(probabilities, shares, out=np.zeros_like(probabilities), where=shares > 0)
    found: IntArray = probabilities.argmax(axis=1)
    return found
