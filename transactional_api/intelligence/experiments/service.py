"""Deterministic assignment of users to variants, by a hash of the experiment and the user; nothing is stored.

The method is that of Kohavi, Tang and Xu, "Trustworthy Online Controlled Experiments" (2020), chapter 4: hash, bucket,
weights. Exposures are events, because an assigned user has not necessarily seen the variant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, Final
from uuid import UUID, uuid4

from prometheus_client import Counter
from sqlalchemy import func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.events import ExposureEvent
from neighborconnect.contracts.topics import EXPOSURES_TOPIC
from neighborconnect.feed.policy import parameter_names
from transactional_api.core.db.statements import SessionRunner, StatementRunner
from transactional_api.core.db.tables import Experiment
from transactional_api.core.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.core.outbox import emit
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.experiments.schemas import (
    ExperimentAssignment,
    ExperimentBody,
    ExperimentOut,
    ExposureOut,
    ReadoutBody,
    Variant,
)

EXPOSURES: Final = Counter("api_experiment_exposures", "Exposures to variants.", ["experiment", "variant"])
_ROUNDING: Final = 1e-9
_LAST_READOUT: Final = timedelta(days=8)
"""Time after the end of an experiment in which it is read out: outcomes are those of a week."""


class ExperimentConflictError(Problem):
    """A running experiment has the same people of the layer, or changes the same ranking parameters."""

    status, code, title = 409, "experiment_conflict", "Another experiment has the same people or parameters"


class ExperimentExistsError(Problem):
    """An experiment with this key exists."""

    status, code, title = 409, "experiment_exists", "An experiment with this key exists; replace it instead"


def assign_variant(key: str, user_id: UUID, variants: Sequence[Variant]) -> str:
    """Return the variant of a user: SHA-256 of key and user, scaled to the sum of the weights."""
    digest = hashlib.sha256(f"{key}:{user_id}".encode()).digest()
    bounds = list(accumulate(variant.weight for variant in variants))
    bucket = int.from_bytes(digest[:8], "big") * bounds[-1] >> 64
    return next(variant.name for variant, bound in zip(variants, bounds, strict=True) if bucket < bound)


def position_of(layer: str, user_id: UUID) -> float:
    """Return the position of a user in a layer, in [0, 1)."""
    digest = hashlib.sha256(f"layer:{layer}:{user_id}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / (1 << 48)


def is_sampled(experiment: ExperimentOut, user_id: UUID) -> bool:
    """Return whether a user is among the people of an experiment."""
    start = experiment.layer_start
    return start <= position_of(experiment.layer or experiment.key, user_id) < start + experiment.share


def is_running(experiment: ExperimentOut, *, at: datetime) -> bool:
    """Return whether an experiment has people at a time."""
    return (
        experiment.is_active
        and (experiment.starts_at is None or experiment.starts_at <= at)
        and (experiment.ends_at is None or at < experiment.ends_at)
    )


def assign(experiment: ExperimentOut, *, viewer: Viewer) -> ExperimentAssignment:
    """Return the viewer's variant; the control for viewers outside of the experiment."""
    control = experiment.variants[0].name
    if not is_running(experiment, at=datetime.now(UTC)):
        return ExperimentAssignment(experiment=experiment.key, variant=control, reason="inactive")
    if not viewer.analysed:
        return ExperimentAssignment(experiment=experiment.key, variant=control, reason="no_consent")
    if not is_sampled(experiment, viewer.id):
        return ExperimentAssignment(experiment=experiment.key, variant=control, reason="not_sampled")
    variant = assign_variant(experiment.key, viewer.id, experiment.variants)
    return ExperimentAssignment(experiment=experiment.key, variant=variant, reason="assigned")


async def get_assignment(session: AsyncSession, *, viewer: Viewer, key: str) -> ExperimentAssignment:
    """Return the viewer's variant.

    Raises:
        NotFoundError: when there is no such experiment.
    """
    return assign(await get(session, key=key), viewer=viewer)


async def record_exposure(session: AsyncSession, *, viewer: Viewer, key: str) -> ExposureOut:
    """Record that the viewer was exposed to their variant.

    Raises:
        NotFoundError: when there is no such experiment.
    """
    assignment = await get_assignment(session, viewer=viewer, key=key)
    recorded = assignment.reason == "assigned"
    if recorded:
        await publish_exposure(SessionRunner(session), viewer=viewer, experiment=key, variant=assignment.variant)
    return ExposureOut(**assignment.model_dump(), recorded=recorded)


async def publish_exposure(runner: StatementRunner, *, viewer: Viewer, experiment: str, variant: str) -> None:
    """Count and publish the exposure of the viewer to a variant."""
    EXPOSURES.labels(experiment, variant).inc()
    # The relay assigns the event id; zero satisfies the contract until then.
    event = ExposureEvent(
        event_id=0,
        exposure_id=uuid4(),
        user_id=viewer.id,
        experiment=experiment,
        variant=variant,
        exposed_at=datetime.now(UTC),
    )
    payload = event.model_dump(exclude={"event_id"})
    await emit(runner, topic=EXPOSURES_TOPIC, key=str(viewer.id), payload=payload)


async def create_experiment(session: AsyncSession, *, viewer: Viewer, key: str, body: ExperimentBody) -> ExperimentOut:
    """Create an experiment.

    Raises:
        ForbiddenError: when the viewer is not an admin of the platform.
        ExperimentExistsError: when the key is taken.
        ExperimentConflictError: when a running one has the same people or parameters.
    """
    _require_admin(viewer)
    await _check_conflicts(session, key=key, body=body)
    row = await session.scalar(
        insert(Experiment).values(key=key, **_columns(body)).on_conflict_do_nothing().returning(Experiment)
    )
    if row is None:
        raise ExperimentExistsError
    return ExperimentOut.model_validate(row)


async def replace_experiment(session: AsyncSession, *, viewer: Viewer, key: str, body: ExperimentBody) -> ExperimentOut:
    """Replace an experiment; changed weights move users between variants.

    Raises:
        ForbiddenError: when the viewer is not an admin of the platform.
        NotFoundError: when there is no such experiment.
        ExperimentConflictError: when a running one has the same people or parameters.
    """
    _require_admin(viewer)
    await _check_conflicts(session, key=key, body=body)
    begun_again = {"stopped_at": None, "stop_reason": ""} if body.is_active else {}
    row = await session.scalar(
        update(Experiment)
        .where(Experiment.key == key)
        .values(**_columns(body), **begun_again, updated_at=datetime.now(UTC))
        .returning(Experiment)
    )
    if row is None:
        raise NotFoundError
    return ExperimentOut.model_validate(row)


async def list_experiments(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[ExperimentOut]:
    """List all experiments, newest first.

    Raises:
        ForbiddenError: when the viewer is not an admin of the platform.
    """
    _require_admin(viewer)
    statement = page.select(select(Experiment), at=Experiment.created_at, row_id=Experiment.id)
    rows = (await session.scalars(statement)).all()
    return page.of(rows, ExperimentOut.model_validate)


async def stop_experiment(session: AsyncSession, *, viewer: Viewer, key: str, reason: str) -> None:
    """Stop an experiment at once: everybody gets the published ranking; one that was stopped before stays as it is.

    Raises:
        ForbiddenError: when the viewer is not an admin of the platform.
        NotFoundError: when there is no such experiment.
    """
    _require_admin(viewer)
    await get(session, key=key)
    await _stop(session, key=key, reason=reason)


async def store_readout(session: AsyncSession, *, key: str, body: ReadoutBody) -> None:
    """Store the readout of the pipelines, and stop the experiment if they say so; raises ``NotFoundError``."""
    await get(session, key=key)
    await session.execute(
        update(Experiment).where(Experiment.key == key).values(readout=body.readout, readout_at=func.now())
    )
    if body.stop_reason:
        await _stop(session, key=key, reason=body.stop_reason)


async def running(session: AsyncSession) -> list[ExperimentOut]:
    """Return the active experiments whose outcomes may still change, by key."""
    is_read_out = or_(Experiment.ends_at.is_(None), Experiment.ends_at > func.now() - _LAST_READOUT)
    statement = select(Experiment).where(Experiment.is_active, is_read_out).order_by(Experiment.key)
    rows = (await session.scalars(statement)).all()
    return [ExperimentOut.model_validate(row) for row in rows]


async def stored_readout(session: AsyncSession, *, key: str) -> tuple[dict[str, Any] | None, datetime | None]:
    """Return the last readout and its time; None before the first."""
    row = (
        await session.execute(select(Experiment.readout, Experiment.readout_at).where(Experiment.key == key))
    ).one_or_none()
    return (None, None) if row is None else (row.readout, row.readout_at)


async def _stop(session: AsyncSession, *, key: str, reason: str) -> None:
    await session.execute(
        update(Experiment)
        .where(Experiment.key == key, Experiment.is_active)
        .values(is_active=False, stopped_at=func.now(), stop_reason=reason, updated_at=func.now())
    )


async def _check_conflicts(session: AsyncSession, *, key: str, body: ExperimentBody) -> None:
    """Raise ``ExperimentConflictError`` when a running experiment has the same people or ranking parameters."""
    if not body.is_active:
        return
    # Two definitions at the same time would not see each other.
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('experiments', 0))"))
    changed = _changed_parameters(body.variants)
    for other in await running(session):
        if other.key == key or (other.ends_at is not None and other.ends_at <= datetime.now(UTC)):
            continue
        if body.layer is not None and body.layer == other.layer:
            begin, end = (
                max(body.layer_start, other.layer_start),
                min(body.layer_start + body.share, other.layer_start + other.share),
            )
            if end - begin > _ROUNDING:
                raise ExperimentConflictError(f"{other.key} has the same people of the layer {body.layer}")
        elif shared := changed & _changed_parameters(other.variants):
            raise ExperimentConflictError(f"{other.key} changes {', '.join(sorted(shared))}, too: use one layer")


def _changed_parameters(variants: Iterable[Variant]) -> set[str]:
    return {name for variant in variants for name in parameter_names(variant.ranking)}


def _columns(body: ExperimentBody) -> dict[str, Any]:
    """Return the columns of a definition; times as such, the rest as JSON has it."""
    return body.model_dump(mode="json") | {"starts_at": body.starts_at, "ends_at": body.ends_at}


async def get(session: AsyncSession, *, key: str) -> ExperimentOut:
    """Return an experiment; raises ``NotFoundError``."""
    row = await session.scalar(select(Experiment).where(Experiment.key == key))
    if row is None:
        raise NotFoundError
    return ExperimentOut.model_validate(row)


def _require_admin(viewer: Viewer) -> None:
    if not viewer.is_admin:
        raise ForbiddenError("Only admins of the platform may manage experiments")
