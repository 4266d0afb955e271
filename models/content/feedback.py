"""Learning from moderators: their decisions move the moderation head, as far as the decisions bear it out.

The head is fitted to the decisions with a penalty for leaving what it was (a Gaussian prior around it: maximum a
posteriori estimation), on the encoder's vectors of the texts, so that little is learnt from few decisions and nothing
that was known is lost. It counts only if it foretells later decisions better than the head that it came from.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from models.content.adapter import Adapter
from models.content.data import IntArray
from models.content.encoder import DIMENSIONS, FloatArray, normalised, tokenize
from models.content.evaluate import paired
from models.content.export import encoder_with

Weights = npt.NDArray[np.float64]

LEAST_DECISIONS = 60
"""Fewer teach nothing that could be told from chance."""
WANTED = "neither"
_HELD_OUT = 1 / 3
_PENALTY = 2.0
_BATCH = 32


@dataclass(frozen=True)
class Feedback:
    """Decisions in order of time.

    Attributes:
        texts: what was decided on.
        labels: for each the class of the moderation task that the decision amounts to.
        sources: for each where it comes from (the decision's id), so that a label can be traced and taken back.
    """

    texts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeedbackResult:
    """The adapted task, whether it may be used, and why."""

    adapter: Adapter
    passed: bool
    reasons: tuple[str, ...]
    metrics: dict[str, float] = field(default_factory=dict)


def adapt(adapter: Adapter, feedback: Feedback, *, seed: int) -> FeedbackResult:
    """Adapt the head of ``adapter`` to decisions: the earlier two thirds teach, the later third judges."""
    if len(feedback.texts) < LEAST_DECISIONS:
        few = f"{len(feedback.texts)} decisions of moderators, {LEAST_DECISIONS} are needed to learn"
        return FeedbackResult(adapter, passed=False, reasons=(few,))
    vectors = _vectors(adapter, feedback.texts)
    labels = np.array([adapter.classes.index(name) for name in feedback.labels], dtype=np.int64)
    cut = round(len(labels) * (1 - _HELD_OUT))
    taught = _fit(adapter, vectors[:cut], labels[:cut])
    before, after = (_flagged(one, vectors[cut:]) for one in (adapter, taught))
    truth = (labels[cut:] != adapter.classes.index(WANTED)).astype(np.int64)
    better = paired("accuracy", truth, after, before, seed=seed)
    reason = (
        f"{len(labels)} decisions; on the later {len(truth)} the adapted head agrees with moderators "
        f"{(after == truth).mean():.3f} of the time, the former one {(before == truth).mean():.3f} "
        f"(difference {better}), {'surely' if better.low > 0 else 'not surely'} better"
    )
    metrics = {
        "decisions": float(len(labels)),
        "agreement_before": float((before == truth).mean()),
        "agreement_after": float((after == truth).mean()),
        "agreement_gain_low": better.low,
    }
    # What is served learns from all of them.
    return FeedbackResult(_fit(adapter, vectors, labels), passed=better.low > 0, reasons=(reason,), metrics=metrics)


def _fit(adapter: Adapter, vectors: FloatArray, labels: IntArray) -> Adapter:
    prior = np.concatenate([adapter.head.ravel(), adapter.bias]).astype(np.float64)
    shape, rows = adapter.head.shape, np.arange(len(labels))

    def loss(weights: Weights) -> tuple[float, Weights]:
        head, bias = weights[: adapter.head.size].reshape(shape), weights[adapter.head.size :]
        logits = vectors @ head.T + bias
        errors = softmax(logits, axis=1)
        errors[rows, labels] -= 1
        away = weights - prior
        value = -log_softmax(logits, axis=1)[rows, labels].sum() + _PENALTY / 2 * away @ away
        gradient = np.concatenate([(errors.T @ vectors).ravel(), errors.sum(axis=0)]) + _PENALTY * away
        return float(value), gradient

    found = minimize(loss, prior, jac=True, method="L-BFGS-B").x
    head, bias = found[: adapter.head.size].reshape(shape), found[adapter.head.size :]
    return replace(adapter, head=head.astype(np.float32), bias=bias.astype(np.float32))


def _flagged(adapter: Adapter, vectors: FloatArray) -> IntArray:
    wanted = adapter.classes.index(WANTED)
    found: IntArray = ((vectors @ adapter.head.T + adapter.bias).argmax(axis=1) != wanted).astype(np.int64)
    return found


def _vectors(adapter: Adapter, texts: tuple[str, ...]) -> FloatArray:
    """Return (n, 384) means of the tokens' vectors in the encoder with the task's adapters."""
    encoder, pieces = encoder_with(adapter), [np.zeros((0, DIMENSIONS), dtype=np.float32)]
    for start in range(0, len(texts), _BATCH):
        tokens = tokenize([normalised(text) for text in texts[start : start + _BATCH]])
        with torch.inference_mode():
            ids, mask = torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)
            hidden = encoder(input_ids=ids, attention_mask=mask).last_hidden_state.numpy()
        weights = tokens.mask[:, :, None]
        pieces.append(((hidden * weights).sum(1) / weights.sum(1)).astype(np.float32))
    return np.concatenate(pieces)
