"""Labels of the moderation task, and what data of other kinds say about them."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan, nan

from models.content.functional.suite import HARMLESS, SELF_HARM, Case

TOXICITY, INSULT, IDENTITY_HATE, THREAT, SEXUAL, SELF_HARM_LABEL = LABELS = (
    "toxicity",
    "insult",
    "identity_hate",
    "threat",
    "sexual",
    "self_harm",
)

_NOTHING = dict.fromkeys(LABELS, 0.0)
_OF_LABEL: dict[str, Mapping[str, float]] = {
    HARMLESS: _NOTHING,
    SELF_HARM: _NOTHING | {SELF_HARM_LABEL: 1.0},
    "hate": _NOTHING | {TOXICITY: 1.0, IDENTITY_HATE: 1.0, INSULT: nan, THREAT: nan},
    "threat": _NOTHING | {TOXICITY: 1.0, IDENTITY_HATE: 1.0, THREAT: 1.0, INSULT: nan},
    "insult": _NOTHING | {TOXICITY: 1.0, INSULT: 1.0},
    "sexual": _NOTHING | {SEXUAL: 1.0, TOXICITY: nan, INSULT: nan},
}
_OF_FUNCTION: dict[str, Mapping[str, float]] = {
    "threat_person": _NOTHING | {TOXICITY: 1.0, THREAT: 1.0, INSULT: nan},
    # No violence is called for.
    **dict.fromkeys(
        ("derogation_emotion", "derogation_attribute", "dehumanization", "negated_positive", "profanity_hateful"),
        _NOTHING | {TOXICITY: 1.0, IDENTITY_HATE: 1.0, INSULT: nan},
    ),
}
_ANNOTATED: dict[str, Mapping[str, float]] = {
    "hate": dict.fromkeys(LABELS, nan) | {TOXICITY: 1.0, IDENTITY_HATE: 1.0, SELF_HARM_LABEL: 0.0},
    # Some only swear.
    "offensive": dict.fromkeys(LABELS, nan) | {TOXICITY: 0.7, IDENTITY_HATE: 0.0, SELF_HARM_LABEL: 0.0},
    "neither": _NOTHING,
}

ANNOTATIONS = tuple(_ANNOTATED)
"""Names of moderators' decisions, and of the votes on tweets."""


def targets_of_case(case: Case) -> list[float]:
    """Return the target of each label for a case of the functional suite; NaN where its function does not say."""
    targets = _OF_FUNCTION.get(case.function) or _OF_LABEL[case.label]
    return [targets[name] for name in LABELS]


def targets_of_annotation(name: str, *, certain: bool = False) -> list[float]:
    """Return the target of each label for a text annotated as one of ``ANNOTATIONS``; NaN where it does not say.

    Args:
        name: the annotation.
        certain: whether "offensive" was a moderator's decision, and not a vote on a tweet that may only swear.
    """
    targets = [_ANNOTATED[name][label] for label in LABELS]
    return [float(round(target)) if certain and not isnan(target) else target for target in targets]
