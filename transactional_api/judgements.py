"""What the models said, kept as events: to be explained, counted and learnt from. Never what they were asked about."""

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
from transactional_api.answers import Path
from transactional_api.cdc.outbox import emit
from transactional_api.db.tables import User
from transactional_api.inference import Service


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a family of models, by or about whom, since when."""

    family: Service
    asked: str
    user_id: UUID | None
    subject_kind: str | None = None
    subject_id: UUID | None = None
    began: float = field(default_factory=time.perf_counter)

    async def log(
        self, session: AsyncSession, answer: Mapping[str, Any], *, version: str | None, reason: str | None
    ) -> None:
        """Publish what was said when the session's transaction commits, if it has one. For who may be watched only.

        Args:
            session: its transaction decides.
            answer: verdicts and scores, JSON values.
            version: of the model that answered; None when the rules did, or its service without one.
            reason: why no model answered; None when one did.
        """
        # The relay numbers the event when it leaves; the zero only lets the contract check the rest.
        event = JudgementEvent(
            event_id=0,
            judgement_id=uuid4(),
            user_id=self.user_id,
            family=self.family,
            asked=self.asked,
            subject_kind=self.subject_kind,
            subject_id=self.subject_id,
            path=Path.MODEL if reason is None else Path.RULES,
            reason_code=reason,
            model_version=version,
            answer=dict(answer),
            latency_ms=(time.perf_counter() - self.began) * 1000,
            judged_at=datetime.now(UTC),
        )
        key = str(self.user_id or self.subject_id)
        await emit(session, topic=JUDGEMENTS_TOPIC, key=key, payload=event.model_dump(exclude={"event_id"}))


async def is_watched(session: AsyncSession, user_id: UUID | None) -> bool:
    """Whether what a person does may be kept at all; nobody's may."""
    if user_id is None:
        return True
    found = await session.scalar(select(User.personalised | User.analysed).where(User.id == user_id))
    return bool(found)
