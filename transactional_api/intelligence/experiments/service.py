"""Deterministic assignment of users to variants, by a hash of the experiment and the user; nothing is stored.

The method is that of Kohavi, Tang and Xu, "Trustworthy Online Controlled Experiments" (2020), chapter 4: hash, bucket,
weights. Exposures are events, because an assigned user has not necessarily seen the variant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.events import ExposureEvent
from neighborconnect.contracts.topics import EXPOSURES_TOPIC
from transactional_api.core.db.statements import SessionRunner
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
    Variant,
)


class ExperimentExistsError(Problem):
    """An experiment with this key exists."""

    status, code, title = 409, "experiment_exists", "An experiment with this key exists; replace it instead"


def assign_variant(key: str, user_id: UUID, variants: Sequence[Variant]) -> str:
    """Return the variant of a user: SHA-256 of key and user, scaled to the sum of the weights."""
    digest = hashlib.sha256(f"{key}:{user_id}".encode()).digest()
    bounds = list(accumulate(variant.weight for variant in variants))
    bucket = int.from_bytes(digest[:8], "big") * bounds[-1] >> 64
    return next(variant.name for variant, bound in zip(variants, bounds, strict=True) if bucket < bound)


async def get_assignment(session: AsyncSession, *, viewer: Viewer, key: str) -> ExperimentAssignment:
    """Return the viewer's variant.

    Raises:
        NotFoundError: when there is no such experiment.
    """
    experiment = await _get(session, key)
    control = experiment.variants[0].name
    if not experiment.is_active:
        return ExperimentAssignment(experiment=key, variant=control, reason="inactive")
    if not viewer.analysed:
        return ExperimentAssignment(experiment=key, variant=control, reason="no_consent")
    return ExperimentAssignment(
        experiment=key, variant=assign_variant(key, viewer.id, experiment.variants), reason="assigned"
    )


async def record_exposure(session: AsyncSession, *, viewer: Viewer, key: str) -> ExposureOut:
    """Record that the viewer was exposed to their variant.

    Raises:
        NotFoundError: when there is no such experiment.
    """
    assignment = await get_assignment(session, viewer=viewer, key=key)
    recorded = assignment.reason == "assigned"
    if recorded:
        # The relay assigns the event id; zero satisfies the contract until then.
        event = ExposureEvent(
            event_id=0,
            exposure_id=uuid4(),
            user_id=viewer.id,
            experiment=key,
            variant=assignment.variant,
            exposed_at=datetime.now(UTC),
        )
        payload = event.model_dump(exclude={"event_id"})
        await emit(SessionRunner(session), topic=EXPOSURES_TOPIC, key=str(viewer.id), payload=payload)
    return ExposureOut(**assignment.model_dump(), recorded=recorded)


async def create_experiment(session: AsyncSession, *, viewer: Viewer, key: str, body: ExperimentBody) -> ExperimentOut:
    """Create an experiment.

    Raises:
        ForbiddenError: when the viewer is not an admin of the platform.
        ExperimentExistsError: when the key is taken.
    """
    _require_admin(viewer)
    row = await session.scalar(
        insert(Experiment).values(key=key, **body.model_dump()).on_conflict_do_nothing().returning(Experiment)
    )
    if row is None:
        raise ExperimentExistsError
    return ExperimentOut.model_validate(row)


async def replace_experiment(session: AsyncSession, *, viewer: Viewer, key: str, body: ExperimentBody) -> ExperimentOut:
    """Replace an experiment; changed weights move users between variants.

    Raises:
        ForbiddenError: when the viewer is not an admin of the platform.
        NotFoundError: when there is no such experiment.
    """
    _require_admin(viewer)
    row = await session.scalar(
        update(Experiment)
        .where(Experiment.key == key)
        .values(**body.model_dump(), updated_at=datetime.now(UTC))
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


async def _get(session: AsyncSession, key: str) -> ExperimentOut:
    row = await session.scalar(select(Experiment).where(Experiment.key == key))
    if row is None:
        raise NotFoundError
    return ExperimentOut.model_validate(row)


def _require_admin(viewer: Viewer) -> None:
    if not viewer.is_admin:
        raise ForbiddenError("Only admins of the platform may manage experiments")
