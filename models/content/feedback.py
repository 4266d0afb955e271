"""Adaptation of the moderation head to moderators' decisions.

A decision says something about some labels only: "offensive" is toxic, and nothing else is known of it.

The head is fitted on the encoder's vectors by maximum a posteriori estimation, with a Gaussian prior around the shipped
head, so that few decisions change it little. It is used only if it predicts later decisions significantly better than
the shipped head.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from scipy.special import expit

from models.content.adapter import Adapter
from models.content.data import IntArray
from models.content.encoder import DIMENSIONS, FloatArray, normalized, tokenize
from models.content.evaluate import metric_estimate, paired_difference
from models.content.export import encoder_with
from models.content.identity_terms import with_common_terms
from models.content.labels import ANNOTATIONS, IDENTITY_HATE, TOXICITY, targets_of_annotation
from models.content.normalization import normalize

Weights = npt.NDArray[np.float64]

MIN_DECISIONS = 60
"""Minimum number of decisions for a significant difference."""
BENIGN_CLASS = "neither"
_EVEN = 0.0
"""Log-odds from which a label holds."""
_HELD_OUT = 1 / 3
DEFAULT_PENALTY = 2.0
"""Precision of the prior around the shipped head: the higher, the less decisions change it."""
_BATCH = 32


@dataclass(frozen=True)
class Feedback:
    """Moderators' decisions in order of time.

    Attributes:
        texts: texts that were decided on.
        labels: one of ``ANNOTATIONS`` for each decision.
        sources: id of each decision, so that a label can be traced and removed.
        authors: ids of the users who wrote the texts.
    """

    texts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeedbackResult:
    """Adapted task, whether it may be used, and the reasons."""

    adapter: Adapter
    passed: bool
    reasons: tuple[str, ...]
    metrics: dict[str, float] = field(default_factory=dict)
    confusion: IntArray | None = None
    """Evaluated decisions by their class (rows) and the predicted one (columns); None without decisions."""


def adapt(adapter: Adapter, feedback: Feedback, *, seed: int, penalty: float = DEFAULT_PENALTY) -> FeedbackResult:
    """Adapt the head of ``adapter``; the earlier two thirds of the decisions train it, the later third evaluates it.

    With too few decisions to adapt, all of them evaluate the shipped head.
    """
    vectors = _vectors(adapter, feedback.texts) if feedback.texts else np.zeros((0, DIMENSIONS), dtype=np.float32)
    labels = np.array([ANNOTATIONS.index(name) for name in feedback.labels], dtype=np.int64)
    if len(labels) < MIN_DECISIONS:
        few = f"{len(labels)} moderators' decisions; {MIN_DECISIONS} are needed to adapt"
        quality, confusion = _quality(adapter, vectors, labels, seed=seed)
        return FeedbackResult(adapter, passed=False, reasons=(few,), metrics=quality, confusion=confusion)
    cut = round(len(labels) * (1 - _HELD_OUT))
    adapted = _fit(adapter, vectors[:cut], labels[:cut], penalty=penalty)
    before, after = (_flagged(candidate, vectors[cut:]) for candidate in (adapter, adapted))
    truth = (labels[cut:] != ANNOTATIONS.index(BENIGN_CLASS)).astype(np.int64)
    better = paired_difference("accuracy", truth, after, before, seed=seed)
    reason = (
        f"{len(labels)} decisions; on the later {len(truth)} the adapted head agrees with moderators "
        f"{(after == truth).mean():.3f} of the time, the former one {(before == truth).mean():.3f} "
        f"(difference {better}), {'significantly' if better.low > 0 else 'not significantly'} better"
    )
    metrics = {
        "decisions": float(len(labels)),
        "agreement_before": float((before == truth).mean()),
        "agreement_after": float((after == truth).mean()),
        "agreement_gain_ci_low": better.low,
    }
    passed = better.low > 0
    quality, confusion = _quality(adapted if passed else adapter, vectors[cut:], labels[cut:], seed=seed)
    # The served head is fitted to all decisions.
    served = _fit(adapter, vectors, labels, penalty=penalty)
    return FeedbackResult(served, passed, (reason,), metrics | quality, confusion)


def _quality(
    adapter: Adapter, vectors: FloatArray, labels: IntArray, *, seed: int
) -> tuple[dict[str, float], IntArray | None]:
    """Return accuracy and macro F1 with intervals, and the confusion matrix, of decisions that trained nothing."""
    if not len(labels):
        return {}, None
    found = _annotations(adapter, vectors)
    metrics = {"evaluated_decisions": float(len(labels))}
    for name in ("accuracy", "macro_f1"):
        estimate = metric_estimate(name, labels, found, seed=seed)
        metrics |= {
            f"moderation_{name}": estimate.value,
            f"moderation_{name}_ci_low": estimate.low,
            f"moderation_{name}_ci_high": estimate.high,
        }
    confusion = np.zeros((len(ANNOTATIONS), len(ANNOTATIONS)), dtype=np.int64)
    np.add.at(confusion, (labels, found), 1)
    return metrics, confusion


def _fit(adapter: Adapter, vectors: FloatArray, labels: IntArray, *, penalty: float) -> Adapter:
    prior = np.concatenate([adapter.head.ravel(), adapter.bias]).astype(np.float64)
    shape = adapter.head.shape
    targets = np.array([targets_of_annotation(ANNOTATIONS[label], certain=True) for label in labels]).reshape(
        -1, shape[0]
    )
    known, targets = ~np.isnan(targets), np.nan_to_num(targets)

    def loss(weights: Weights) -> tuple[float, Weights]:
        head, bias = weights[: adapter.head.size].reshape(shape), weights[adapter.head.size :]
        logits = vectors @ head.T + bias
        errors = np.where(known, expit(logits) - targets, 0.0)
        away = weights - prior
        losses = np.where(known, np.logaddexp(0.0, logits) - targets * logits, 0.0)
        value = losses.sum() + penalty / 2 * away @ away
        gradient = np.concatenate([(errors.T @ vectors).ravel(), errors.sum(axis=0)]) + penalty * away
        return float(value), gradient

    found = minimize(loss, prior, jac=True, method="L-BFGS-B").x
    head, bias = found[: adapter.head.size].reshape(shape), found[adapter.head.size :]
    return replace(adapter, head=head.astype(np.float32), bias=bias.astype(np.float32))


def _flagged(adapter: Adapter, vectors: FloatArray) -> IntArray:
    found: IntArray = (_annotations(adapter, vectors) != ANNOTATIONS.index(BENIGN_CLASS)).astype(np.int64)
    return found


def _annotations(adapter: Adapter, vectors: FloatArray) -> IntArray:
    """Return the position in ``ANNOTATIONS`` that the labels of each text amount to."""
    holds = vectors @ adapter.head.T + adapter.bias >= _EVEN
    hateful, toxic = (holds[:, adapter.classes.index(name)] for name in (IDENTITY_HATE, TOXICITY))
    places = [ANNOTATIONS.index(name) for name in ("hate", "offensive", BENIGN_CLASS)]
    found: IntArray = np.select([hateful, toxic], places[:2], places[2]).astype(np.int64)
    return found


def _vectors(adapter: Adapter, texts: tuple[str, ...]) -> FloatArray:
    """Return (n, 384) mean token vectors of the encoder with the task's adapter."""
    encoder, pieces = encoder_with(adapter), [np.zeros((0, DIMENSIONS), dtype=np.float32)]
    for start in range(0, len(texts), _BATCH):
        tokens = tokenize([normalized(with_common_terms(normalize(text))) for text in texts[start : start + _BATCH]])
        with torch.inference_mode():
            ids, mask = torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)
            hidden = encoder(input_ids=ids, attention_mask=mask).last_hidden_state.numpy()
        weights = tokens.mask[:, :, None]
        pieces.append(((hidden * weights).sum(1) / weights.sum(1)).astype(np.float32))
    return np.concatenate(pieces)
