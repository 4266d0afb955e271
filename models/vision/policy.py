"""Moderation policy of pictures and videos: thresholds of the NSFW score."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files

from neighborconnect.contracts.content import Verdict


@dataclass(frozen=True, slots=True)
class Policy:
    """NSFW scores from which a picture is sent to a moderator, and from which it is also held."""

    review: float
    block: float

    def verdict(self, nsfw: float) -> Verdict:
        """Return the verdict for an NSFW score."""
        if nsfw >= self.block:
            return Verdict.BLOCK
        return Verdict.REVIEW if nsfw >= self.review else Verdict.ALLOW


def policy_text() -> str:
    """Return the policy file of the repository."""
    return (files("models.vision") / "policy.toml").read_text(encoding="utf-8")


def read_policy(text: str) -> Policy:
    """Parse a policy; raises ``ValueError`` for missing or unknown keys, or thresholds out of order."""
    values = tomllib.loads(text)
    try:
        policy = Policy(**values["nsfw"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"The vision policy must have nsfw.review and nsfw.block: {error}") from None
    if not 0 < policy.review <= policy.block <= 1:
        raise ValueError("The vision policy requires 0 < review <= block <= 1")
    return policy
