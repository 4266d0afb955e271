"""Purposes of features: a view says what it may be used for, and everything that reads it states its purpose."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class FeaturePurpose(StrEnum):
    """Use of a feature by a model."""

    RECOMMENDATION = "recommendation"
    MATCHING = "matching"
    MODERATION = "moderation"


ALL_PURPOSES = frozenset(FeaturePurpose)


class PurposeError(ValueError):
    """A feature is read for a purpose that it may not be used for."""


def require_purpose(name: str, *, allowed: Iterable[FeaturePurpose], purpose: FeaturePurpose) -> None:
    """Raise ``PurposeError`` unless ``name``, a view or a service, may be used for ``purpose``."""
    permitted = sorted(allowed)
    if purpose not in permitted:
        raise PurposeError(f"{name} may be used for {', '.join(permitted)}, and not for {purpose}.")
