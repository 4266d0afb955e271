"""Who gets which variant: drawn from a digest of the experiment and the person, so that nothing is to be kept.

The draw is that of Kohavi, Tang and Xu, "Trustworthy Online Controlled Experiments" (2020), chapter 4: hash, bucket,
weights. An exposure is an event, since who was only assigned a variant never met it.
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
from transactional_api.auth import Viewer
from transactional_api.cdc.outbox import emit
from transactional_api.db.tables import Experiment
from transactional_api.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.experiments.schemas import Assignment, ExperimentBody, ExperimentOut, ExposureOut, Variant
from transactional_api.paging import Page, PageRequest


class ExperimentExistsError(Problem):
    """There is an experiment with this key."""

    status, code, title = 409, "experiment_exists", "There is an experiment with this key; change that one"


def draw(key: str, user_id: UUID, variants: Sequence[Variant]) -> str:
    """Return the variant of a person: the same for the same key, person and variants, on every machine."""
    digest = hashlib.sha256(f"{key}:{user_id}".encode()).digest()
    bounds = list(accumulate(variant.weight for variant in variants))
    place = int.from_bytes(digest[:8], "big") * bounds[-1] >> 64
    return next(variant.name for variant, bound in zip(variants, bounds, strict=True) if place < bound)


async def assignment(session: AsyncSession, *, viewer: Viewer, key: str) -> Assignment:
    """Return the viewer's variant; raises ``NotFoundError`` for an unknown experiment."""
    experiment = await _get(session, key)
    first = experiment.variants[0].name
    if not experiment.is_active:
        return Assignment(experiment=key, variant=first, reason="inactive")
    if not viewer.analysed:
        return Assignment(experiment=key, variant=first, reason="no_consent")
    return Assignment(experiment=key, variant=draw(key, viewer.id, experiment.variants), reason="assigned")


async def expose(session: AsyncSession, *, viewer: Viewer, key: str) -> ExposureOut:
    """Note that the viewer met their variant; raises ``NotFoundError`` for an unknown experiment."""
    met = await assignment(session, viewer=viewer, key=key)
    noted = met.reason == "assigned"
    if noted:
        # The relay numbers the event when it leaves; the zero only lets the contract check the rest.
        event = ExposureEvent(
            event_id=0,
            exposure_id=uuid4(),
            user_id=viewer.id,
            experiment=key,
            variant=met.variant,
            exposed_at=datetime.now(UTC),
        )
        payload = event.model_dump(exclude={"event_id"})
        await emit(session, topic=EXPOSURES_TOPIC, key=str(viewer.id), payload=payload)
    return ExposureOut(**met.model_dump(), noted=noted)


async def begin(session: AsyncSession, *, viewer: Viewer, key: str, body: ExperimentBody) -> ExperimentOut:
    """Begin an experiment.

    Raises:
        ForbiddenError: for who is no admin of the platform.
        ExperimentExistsError: when there is one with the key.
    """
    _let_admins(viewer)
    row = await session.scalar(
        insert(Experiment).values(key=key, **body.model_dump()).on_conflict_do_nothing().returning(Experiment)
    )
    if row is None:
        raise ExperimentExistsError
    return ExperimentOut.model_validate(row)


async def replace(session: AsyncSession, *, viewer: Viewer, key: str, body: ExperimentBody) -> ExperimentOut:
    """Change an experiment; other weights move people between variants.

    Raises:
        ForbiddenError: for who is no admin of the platform.
        NotFoundError: for an unknown experiment.
    """
    _let_admins(viewer)
    row = await session.scalar(
        update(Experiment)
        .where(Experiment.key == key)
        .values(**body.model_dump(), updated_at=datetime.now(UTC))
        .returning(Experiment)
    )
    if row is None:
        raise NotFoundError
    return ExperimentOut.model_validate(row)


async def find(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[ExperimentOut]:
    """List all experiments, the last first; raises ``ForbiddenError`` for who is no admin of the platform."""
    _let_admins(viewer)
    statement = page.select(select(Experiment), at=Experiment.created_at, row_id=Experiment.id)
    rows = (await session.scalars(statement)).all()
    return page.of(rows, ExperimentOut.model_validate)


async def _get(session: AsyncSession, key: str) -> ExperimentOut:
    row = await session.scalar(select(Experiment).where(Experiment.key == key))
    if row is None:
        raise NotFoundError
    return ExperimentOut.model_validate(row)


def _let_admins(viewer: Viewer) -> None:
    if not viewer.administers:
        raise ForbiddenError("Only admins of the platform look after experiments")
