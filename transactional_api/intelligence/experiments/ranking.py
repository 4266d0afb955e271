"""Experiments on the ranking of feeds: the policy of a viewer, by the variants that they are assigned to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import TypeAdapter
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import select

from neighborconnect.feed.policy import RankingPolicy, changed_policy, published_policy
from neighborconnect.telemetry import get_logger
from transactional_api.core.cache import CachedValue
from transactional_api.core.db.session import UnitOfWork, after_commit
from transactional_api.core.db.statements import CompiledStatement, StatementRunner
from transactional_api.core.db.tables import Experiment
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.experiments import service
from transactional_api.intelligence.experiments.schemas import ExperimentOut

_NAME: Final = "ranking"
_ACTIVE: Final = CompiledStatement(
    select(*Experiment.__table__.columns).where(Experiment.is_active.is_(True)).order_by(Experiment.key)
)
_CACHED: Final = CachedValue("experiments:{}", TypeAdapter(list[ExperimentOut]), ttl_seconds=10)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RankingAssignment:
    """Policy of a viewer, and their variants by experiment; none for viewers outside of all experiments."""

    policy: RankingPolicy = field(default_factory=published_policy)
    variants: Mapping[str, str] = field(default_factory=dict)

    async def publish(self, runner: StatementRunner, *, viewer: Viewer) -> None:
        """Publish the exposure to each variant."""
        for experiment, variant in self.variants.items():
            await service.publish_exposure(runner, viewer=viewer, experiment=experiment, variant=variant)


async def assigned_ranking(runner: StatementRunner, *, viewer: Viewer, redis: Redis) -> RankingAssignment:
    """Return the policy by which the feeds of a viewer are ranked.

    Definitions are cached for ten seconds. Running experiments of different layers change different parameters.
    """
    if not viewer.analysed:
        return RankingAssignment()

    async def load() -> list[ExperimentOut]:
        found = [ExperimentOut.model_validate(row) for row in await _ACTIVE.all(runner)]
        return [one for one in found if any(variant.ranking for variant in one.variants)]

    variants: dict[str, str] = {}
    changes: dict[str, dict[str, Any]] = {}
    for experiment in await _CACHED.get(redis, _NAME, load=load):
        assignment = service.assign(experiment, viewer=viewer)
        if assignment.reason == "assigned":
            variants[experiment.key] = assignment.variant
            changed = next(one.ranking for one in experiment.variants if one.name == assignment.variant)
            _merge(changes, changed)
    if not variants:
        return RankingAssignment()
    if not changes:
        # A copy: the control is ranked from as many items of the model as the other variants.
        return RankingAssignment(published_policy().model_copy(), variants)
    try:
        return RankingAssignment(changed_policy(changes), variants)
    except ValueError:
        # Parameters of two layers may be out of range together only.
        log.exception("experiments.invalid_ranking", experiments=sorted(variants))
        return RankingAssignment()


def forget_after_commit(unit: UnitOfWork, redis: Redis) -> None:
    """Let the feeds after the commit read the definitions again; without Redis they are read each time.

    Before the commit, a feed would cache the old ones again.
    """

    async def forget() -> None:
        try:
            await redis.unlink(_CACHED.pattern.format(_NAME))
        except RedisError as error:
            log.warning("cache.invalidation_failed", pattern=_CACHED.pattern, error=type(error).__name__)

    after_commit(unit, forget)


def _merge(changes: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, Mapping):
            _merge(changes.setdefault(name, {}), value)
        else:
            changes[name] = value
