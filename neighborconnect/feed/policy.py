"""Parameters of re-ranking, published in ``ranking.toml`` with the reason for each."""

from __future__ import annotations

import hashlib
import math
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from neighborconnect.feed.dials import Dials

# A number or an array of numbers: this package does not import numpy.
FloatOrArray = TypeVar("FloatOrArray", float, Any)


class _Section(BaseModel):
    # JSON has 1e999, which is infinite in Python and null when it is stored.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Relevance(_Section):
    """Relevance of an item from its place between the lowest and the highest score of a user."""

    sharpness: float = Field(ge=1)
    least: float = Field(gt=0, lt=1)

    def of(self, place: FloatOrArray) -> FloatOrArray:
        """Return the relevance of a place in [0, 1]; an array for an array."""
        relevance: FloatOrArray = (self.least + (1.0 - self.least) * place) ** self.sharpness
        return relevance

    def published(self, score: float) -> float:
        """Return the score to publish: in the same order, in [0, 1], on the scale of the places, not their powers."""
        return math.pow(min(max(score, 0.0), 1.0), 1.0 / self.sharpness)


class Age(_Section):
    """Freshness decay of the relevance."""

    half_life_days: float = Field(gt=0)
    floor: float = Field(ge=0, le=1)

    def factor(self, age_days: float | None) -> float:
        """Return the factor of an item of this age in days; 1 for an item without a date."""
        if age_days is None:
            return 1.0
        return self.floor + (1.0 - self.floor) * math.pow(0.5, max(age_days, 0.0) / self.half_life_days)


class Fresh(_Section):
    """Share of a page that is reserved for recent items."""

    days: float = Field(gt=0)
    share: float = Field(ge=0, le=1)
    close_relevance: float = Field(ge=0, le=1)
    other_relevance: float = Field(ge=0, le=1)


class Decay(_Section):
    """Multiplier ``(1 - floor) * decay^k + floor``; above 1 for a negative ``k``."""

    decay: float = Field(gt=0, le=1)
    floor: float = Field(ge=0, le=1)

    def factor(self, count: float) -> float:
        """Return the multiplier for ``count``, at most the largest number."""
        try:
            power = math.pow(self.decay, count)
        except OverflowError:
            power = sys.float_info.max
        return (1.0 - self.floor) * power + self.floor


class Repeat(Decay):
    """Multiplier of further items of a group, and the maximum share of the group on a page."""

    most_share: float = Field(gt=0, le=1)


class Repeats(_Section):
    """One rule for each kind of group, and the weight of items of earlier pages."""

    carry: float = Field(ge=0, lt=1)
    author: Repeat
    connector: Repeat
    category: Repeat


class Variety(_Section):
    """Rules of the first items of a page, and the share of connectors that the viewer does not belong to."""

    first: int = Field(ge=0)
    most_of_author: int = Field(ge=1)
    most_of_connector: int = Field(ge=1)
    outside_share: float = Field(ge=0, le=1)


class Hides(_Section):
    """Effect of hides and ``more_like_this`` on items of the same author, connector or category."""

    half_life_days: float = Field(gt=0)
    most: float = Field(default=2.0, ge=1)
    """Limit of a multiplier above 1. Records of earlier releases lack it."""
    noted: float = Field(default=0.5, gt=0)
    """Least sum of the weights of a category that the answer states."""
    author: Decay
    connector: Decay
    category: Decay

    def weight(self, age_days: float) -> float:
        """Return the weight of a hide of this age in days."""
        return math.pow(0.5, max(age_days, 0.0) / self.half_life_days)


class Priors(_Section):
    """Multipliers of the relevance of items, by facts that are known when serving alone."""

    soon_days: float = Field(gt=0)
    soon: float = Field(ge=1)
    near_km: float = Field(gt=0)
    near: float = Field(ge=1)
    followed: float = Field(ge=1)

    def factor(self, *, starts_in_days: float | None, distance_km: float | None, is_followed: bool) -> float:
        """Return the product of the multipliers that hold, relative to that of all, so that it is at most 1.

        Args:
            starts_in_days: days until the start, negative for an event that has begun; None without a start.
            distance_km: distance from the viewer's home; None if either is unknown.
            is_followed: whether the viewer follows the author, host or seller, or a member of the connector.
        """
        held = (
            (starts_in_days is not None and starts_in_days < self.soon_days, self.soon),
            (distance_km is not None and distance_km <= self.near_km, self.near),
            (is_followed, self.followed),
        )
        product = math.prod(multiplier for holds, multiplier in held if holds)
        soonest = 1.0 if starts_in_days is None else self.soon
        return product / (soonest * self.near * self.followed)


class DialRules(_Section):
    """Effect of the dials of a person on the relevance of items."""

    strength: float = Field(default=4.0, ge=1)
    near_km: float = Field(default=2.0, gt=0)
    recent_days: float = Field(default=2.0, gt=0)

    def factor(
        self,
        dials: Dials,
        *,
        distance_km: float | None,
        is_followed: bool,
        is_outside: bool,
        age_days: float | None,
    ) -> float:
        """Return the multiplier of an item, at most 1; 1 if all dials are zero.

        Args:
            dials: dials of the person.
            distance_km: distance from their home; None if either place is unknown.
            is_followed: whether they follow the author, host or seller, or people in the connector.
            is_outside: whether they do not belong to the connector.
            age_days: age in days; None without a date.
        """
        if dials.is_neutral:
            return 1.0
        held = (
            (dials.near, 0.5 if distance_km is None else math.pow(0.5, distance_km / self.near_km)),
            (dials.friends, float(is_followed)),
            (dials.discovery, float(is_outside)),
            (dials.recency, 0.5 if age_days is None else math.pow(0.5, max(age_days, 0.0) / self.recent_days)),
        )
        return math.pow(self.strength, sum(dial * fact - max(dial, 0.0) for dial, fact in held))


class KindShare(_Section):
    """Least and largest share of a kind on a mixed page, as far as there are items, and the weight of its scores."""

    least: float = Field(ge=0, le=1)
    most: float = Field(gt=0, le=1)
    weight: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def _is_range(self) -> Self:
        if self.least > self.most:
            raise ValueError("the least share is above the largest")
        return self


class HomeShares(_Section):
    """Shares of the kinds and of each category on a page of the home feed. Records of earlier releases lack them."""

    most_of_category: float = Field(default=1.0, gt=0, le=1)
    """Largest share of a category over all kinds; 1 for no limit, as in records of earlier releases."""
    post: KindShare = KindShare(least=0.4, most=0.7, weight=1.0)
    connector: KindShare = KindShare(least=0.1, most=0.2, weight=0.6)
    event: KindShare = KindShare(least=0.1, most=0.3, weight=0.85)
    item: KindShare = KindShare(least=0.1, most=0.25, weight=0.8)

    @model_validator(mode="after")
    def _fits_a_page(self) -> Self:
        if math.fsum(share.least for share in (self.post, self.connector, self.event, self.item)) > 1:
            raise ValueError("the least shares of all kinds sum to more than a page")
        return self

    def of(self, kind: str) -> KindShare:
        """Return the share of a kind."""
        share: KindShare = getattr(self, kind)
        return share


class Standing(_Section):
    """Weight of an account in counts of people that order the feeds of others. Records of earlier releases lack it."""

    new_days: float = Field(default=2.0, ge=0)
    full_days: float = Field(default=14.0, gt=0)

    @model_validator(mode="after")
    def _is_range(self) -> Self:
        if self.new_days >= self.full_days:
            raise ValueError("an account counts fully before it counts at all")
        return self

    def weight(self, age_days: float) -> float:
        """Return the weight of a verified, active account of this age in days, in [0, 1]."""
        return min(max((age_days - self.new_days) / (self.full_days - self.new_days), 0.0), 1.0)


class RankingPolicy(_Section):
    """Content of ``ranking.toml``."""

    relevance: Relevance
    age: Age
    fresh: Fresh
    repeats: Repeats
    variety: Variety
    hides: Hides
    priors: Priors
    dials: DialRules = Field(default_factory=DialRules)
    home: HomeShares = Field(default_factory=HomeShares)
    standing: Standing = Field(default_factory=Standing)

    @property
    def version(self) -> str:
        """Hash of the parameters."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


_VARIANT: ContextVar[RankingPolicy | None] = ContextVar("ranking_policy", default=None)
_EXPERIMENTAL = frozenset(RankingPolicy.model_fields) - {"standing"}
"""Sections that an experiment may change. Weights of accounts order the feeds of everybody."""


def ranking_policy() -> RankingPolicy:
    """Return the policy of the current context: that of ``using_policy``, else the published one.

    Raises:
        pydantic.ValidationError: a parameter is missing, unknown or out of range.
    """
    return _VARIANT.get() or published_policy()


@contextmanager
def using_policy(policy: RankingPolicy) -> Iterator[None]:
    """Rank with this policy in the body and in the tasks that it starts: every reader of a parameter gets the same."""
    token = _VARIANT.set(policy)
    try:
        yield
    finally:
        _VARIANT.reset(token)


def changed_policy(changes: Mapping[str, Any]) -> RankingPolicy:
    """Return the published policy with other values of some parameters, by section as in ``ranking.toml``.

    Raises:
        ValueError: a parameter is unknown, out of range, or not one that an experiment may change.
    """
    if refused := set(changes) - _EXPERIMENTAL:
        raise ValueError(f"an experiment cannot change {', '.join(sorted(refused))}")
    return RankingPolicy.model_validate(_merged(published_policy().model_dump(), changes))


def parameter_names(changes: Mapping[str, Any], *, prefix: str = "") -> Iterator[str]:
    """Yield the names of the changed parameters, such as ``repeats.author.decay``."""
    for name, value in changes.items():
        if isinstance(value, Mapping):
            yield from parameter_names(value, prefix=f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for name, change in changes.items():
        old = values.get(name)
        merged[name] = _merged(old, change) if isinstance(old, Mapping) and isinstance(change, Mapping) else change
    return merged


@cache
def published_policy() -> RankingPolicy:
    """Return the policy of ``ranking.toml``; raises as ``ranking_policy``."""
    text = (files("neighborconnect.feed") / "ranking.toml").read_text("utf-8")
    return RankingPolicy.model_validate(tomllib.loads(text))
