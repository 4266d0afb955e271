"""The policy file: from probabilities to what is done with a text."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from neighborconnect.contracts.content import Verdict


class PolicyError(ValueError):
    """The policy file lacks something, or says what cannot be."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which probability on a person looks at a text, and from which it is kept back."""

    review: float
    block: float


@dataclass(frozen=True, slots=True)
class SpamLimits:
    """From which probability on a text is called spam, and whose texts from less on."""

    flag: float
    suspect_flag: float
    new_days: float = 0.0
    much_an_hour: float = float("inf")

    @classmethod
    def of(cls, said: Mapping[str, float]) -> SpamLimits:
        """Read the limits; a policy of before there were suspects suspects nobody."""
        return cls(**{"suspect_flag": said["flag"]} | {name: float(value) for name, value in said.items()})


@dataclass(frozen=True)
class Policy:
    """What the policy file says; its comments say what the names mean."""

    categories: dict[str, Thresholds]
    spam: SpamLimits
    neutral_below: float
    most_flagged: float

    def verdict(self, categories: Mapping[str, float]) -> Verdict:
        """Return what is done with a text of these probabilities; the strictest category decides."""
        if any(categories.get(name, 0.0) >= limits.block for name, limits in self.categories.items()):
            return Verdict.BLOCK
        if any(categories.get(name, 0.0) >= limits.review for name, limits in self.categories.items()):
            return Verdict.REVIEW
        return Verdict.ALLOW


def read_policy(text: str | None = None) -> Policy:
    """Read a policy; the one beside this module where none is given.

    Raises:
        PolicyError: when it cannot be used; says why.
    """
    text = (files(__package__) / "policy.toml").read_text(encoding="utf-8") if text is None else text
    try:
        said: dict[str, Any] = tomllib.loads(text)
        spam, sentiment = SpamLimits.of(said.pop("spam")), said.pop("sentiment")["neutral_below"]
        most = said.pop("most_flagged")
        categories = {
            name: Thresholds(float(limits["review"]), float(limits["block"])) for name, limits in said.items()
        }
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise PolicyError(f"the policy cannot be read: {error}") from error
    shares = [
        most,
        spam.flag,
        spam.suspect_flag,
        sentiment,
        *(one for limits in categories.values() for one in (limits.review, limits.block)),
    ]
    if not categories or not all(0 < share <= 1 for share in shares):
        raise PolicyError("the policy needs a category, and every number in it must be above 0 and at most 1")
    if spam.suspect_flag > spam.flag:
        raise PolicyError("of suspects less must do for spam: suspect_flag is above flag")
    if wrong := [name for name, limits in categories.items() if limits.review > limits.block]:
        raise PolicyError(f"what is kept back must be looked at, too: review is above block for {', '.join(wrong)}")
    return Policy(categories, spam, float(sentiment), float(most))
