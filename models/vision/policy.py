"""What moderation does with a picture or video, by its scores."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files

from neighborconnect.contracts.content import Verdict


@dataclass(frozen=True, slots=True)
class Policy:
    """From which score on a picture is shown to a moderator, and kept back."""

    review: float
    block: float

    def verdict(self, nsfw: float) -> Verdict:
        """Return what is done with a picture of this score."""
        if nsfw >= self.block:
            return Verdict.BLOCK
        return Verdict.REVIEW if nsfw >= self.review else Verdict.ALLOW


def policy_text() -> str:
    """Return the file that the repository ships."""
    return (files("models.vision") / "policy.toml").read_text(encoding="utf-8")


def read_policy(text: str) -> Policy:
    """Read a policy file; raises ``ValueError`` when it says less, more, or the thresholds the wrong way round."""
    found = tomllib.loads(text)
    try:
        policy = Policy(**found["nsfw"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"The vision policy must say nsfw.review and nsfw.block: {error}") from None
    if not 0 < policy.review <= policy.block <= 1:
        raise ValueError("The vision policy wants 0 < review <= block <= 1")
    return policy
