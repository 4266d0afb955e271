"""Prediction log: outputs of models as events, for explanations, statistics and training. Inputs are not logged."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.events import JudgementEvent
from neighborconnect.contracts.topics import JUDGEMENTS_TOPIC
from transactional_api.core.db.statements import StatementRunner
from transactional_api.core.db.tables import User
from transactional_api.core.inference.client import PredictionSource, Service
from transactional_api.core.outbox import emit


@dataclass(frozen=True, slots=True)
class PredictionLogEntry:
    """A prediction request: service, task, user, subject and start time."""

    family: Service
    asked: str
    user_id: UUID | None
    subject_kind: str | None = None
    subject_id: UUID | None = None
    began: float = field(default_factory=time.perf_counter)

    async def log(
        self, runner: StatementRunner, answer: Mapping[str, Any], *, version: str | None, reason: str | None
    ) -> None:
        """Publish the output with the runner's transaction. Call it only with the user's tracking consent.

        Args:
            runner: runs the statement; the event is published when its transaction commits, if it has one.
            answer: verdicts and scores, JSON values.
            version: version of the model; None for a fallback.
            reason: reason of the fallback; None if a model responded.
        """
        # The relay adds the event id; the zero is a placeholder for validation.
        event = JudgementEvent(
            event_id=0,
            judgement_id=uuid4(),
            user_id=self.user_id,
            family=self.family,
            asked=self.asked,
            subject_kind=self.subject_kind,
            subject_id=self.subject_id,
            path=PredictionSource.MODEL if reason is None else PredictionSource.RULES,
            reason_code=reason,
            model_version=version,
            answer=dict(answer),
            latency_ms=(time.perf_counter() - self.began) * 1000,
            judged_at=datetime.now(UTC),
        )
        key = str(self.user_id or self.subject_id)
        await emit(runner, topic=JUDGEMENTS_TOPIC, key=key, payload=event.model_dump(exclude={"event_id"}))


async def has_tracking_consent(session: AsyncSession, user_id: UUID | None) -> bool:
    """Return whether behavior of a user may be stored; True for content without an owner."""
    if user_id is None:
        return True
    has_consent = await session.scalar(select(User.personalised | User.analysed).where(User.id == user_id))
    return bool(has_consent)
