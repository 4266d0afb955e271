"""Moderation policy of texts: thresholds of the policy file, and the verdict they give."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from neighborconnect.contracts.content import Verdict


class PolicyError(ValueError):
    """The policy file lacks a key, or a value is invalid."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Probabilities from which a text is sent to a moderator, and from which it is also held."""

    review: float
    block: float


@dataclass(frozen=True, slots=True)
class SpamThresholds:
    """Spam thresholds: for all authors, and the lower one for suspicious authors (new, or posting in bursts)."""

    threshold: float
    suspicious_threshold: float
    new_account_days: float
    burst_threshold_per_hour: float


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Shares on the functional suite that a version must reach to be promoted."""

    min_hateful_flagged: float = 0.0
    min_harmless_passed: float = 0.0
    min_threats_flagged: float = 0.0
    max_identity_flagged: float = 1.0


@dataclass(frozen=True)
class Policy:
    """Values of the policy file, whose comments define them."""

    categories: dict[str, Thresholds]
    help: dict[str, float]
    gate: GateLimits
    spam: SpamThresholds
    neutral_below: float
    max_false_positive_rate: float

    @property
    def labels(self) -> frozenset[str]:
        """Names of all labels with a threshold."""
        return frozenset((*self.categories, *self.help))

    def offers_help(self, categories: Mapping[str, float]) -> bool:
        """Return whether the author is to be offered help; no verdict depends on it."""
        return any(categories.get(name, 0.0) >= threshold for name, threshold in self.help.items())

    def verdict(self, categories: Mapping[str, float]) -> Verdict:
        """Return the verdict for category probabilities; the strictest category decides."""
        if any(categories.get(name, 0.0) >= limits.block for name, limits in self.categories.items()):
            return Verdict.BLOCK
        if any(categories.get(name, 0.0) >= limits.review for name, limits in self.categories.items()):
            return Verdict.REVIEW
        return Verdict.ALLOW


def read_policy(text: str | None = None) -> Policy:
    """Parse a policy; ``policy.toml`` of this package if left out.

    Raises:
        PolicyError: when it is invalid; the message has the reason.
    """
    text = (files(__package__) / "policy.toml").read_text(encoding="utf-8") if text is None else text
    try:
        values: dict[str, Any] = tomllib.loads(text)
        spam, sentiment = (
            SpamThresholds(**{name: float(value) for name, value in values.pop("spam").items()}),
            values.pop("sentiment")["neutral_below"],
        )
        max_rate = values.pop("max_false_positive_rate")
        gate = GateLimits(**{name: float(value) for name, value in values.pop("gate", {}).items()})
        offers = {name: float(values.pop(name)["help"]) for name in list(values) if "help" in values[name]}
        categories = {
            name: Thresholds(float(limits["review"]), float(limits["block"])) for name, limits in values.items()
        }
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise PolicyError(f"the policy cannot be read: {error}") from error
    shares = [
        max_rate,
        spam.threshold,
        spam.suspicious_threshold,
        sentiment,
        *offers.values(),
        *(threshold for limits in categories.values() for threshold in (limits.review, limits.block)),
    ]
    if not categories or not all(0 < share <= 1 for share in shares):
        raise PolicyError("the policy needs a category, and every threshold must be above 0 and at most 1")
    if spam.suspicious_threshold > spam.threshold:
        raise PolicyError("suspicious_threshold must not be above threshold")
    if wrong := [name for name, limits in categories.items() if limits.review > limits.block]:
        raise PolicyError(f"review must not be above block: {', '.join(wrong)}")
    return Policy(categories, offers, gate, spam, float(sentiment), float(max_rate))
