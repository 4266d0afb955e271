"""Who and what fits a person: the matching model's answer, or the rules' when there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.matching import Match, MatchAnswer, MatchKind, MatchRequest
from transactional_api.answers import Path
from transactional_api.auth import Viewer
from transactional_api.db.session import let_go
from transactional_api.errors import NotFoundError
from transactional_api.inference import InferenceClient, InferenceError, NoAnswer, Service
from transactional_api.judgements import Question
from transactional_api.matching import nearby, queries, shown
from transactional_api.matching.schemas import (
    CommunitiesBody,
    MatchedConnector,
    MatchedConnectors,
    MatchedInterest,
    MatchedInterests,
    MatchedNear,
    MatchedUser,
    MatchedUsers,
)

Rule = Callable[..., Select[Any]]


@dataclass(frozen=True, slots=True)
class _Question:
    request: MatchRequest
    asked: Question


async def match_users(session: AsyncSession, *, viewer: Viewer, inference: InferenceClient, limit: int) -> MatchedUsers:
    """Match people who fit the viewer; whom they may not see is never among them."""
    question = _question(viewer, MatchKind.USERS, limit=limit)
    await let_go(session)
    answer = await _ask(question, viewer=viewer, inference=inference)
    return await _people(session, viewer=viewer, question=question, answer=answer, rule=queries.neighbours)


async def match_near(
    session: AsyncSession, redis: Redis, *, viewer: Viewer, inference: InferenceClient, limit: int
) -> MatchedNear:
    """Match people, connectors and events near the viewer; what is near is looked up while the model thinks."""
    question = _question(viewer, MatchKind.PROXIMITY, limit=limit)
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(_ask(question, viewer=viewer, inference=inference))
        connectors_near, events_near = await nearby.near(session, redis, viewer=viewer, limit=limit)
        await let_go(session)
    people = await _people(session, viewer=viewer, question=question, answer=asking.result(), rule=queries.near)
    return MatchedNear(**dict(people), connectors=connectors_near, events=events_near)


async def _people(
    session: AsyncSession, *, viewer: Viewer, question: _Question, answer: MatchAnswer | NoAnswer, rule: Rule
) -> MatchedUsers:
    matches, said = await _matches(session, viewer=viewer, question=question, answer=answer, rule=rule)
    found = await shown.people(session, viewer=viewer, ids=_ids(matches))
    return MatchedUsers(
        **said,
        matches=[
            MatchedUser(user=found[UUID(one.key)], score=one.score, reason=one.reason)
            for one in matches
            if UUID(one.key) in found
        ],
    )


async def match_connectors(
    session: AsyncSession, *, viewer: Viewer, inference: InferenceClient, asked: CommunitiesBody
) -> MatchedConnectors:
    """Match connectors that the viewer may see and is not in.

    Raises:
        NotFoundError: when one of those to be matched along is nobody who follows the viewer and is followed back.
    """
    together = set(asked.with_user_ids)
    if together and together != set(await session.scalars(queries.friends(viewer, among=asked.with_user_ids))):
        raise NotFoundError
    question = _question(viewer, MatchKind.COMMUNITIES, limit=asked.limit, together=sorted(map(str, together)))
    await let_go(session)
    answer = await _ask(question, viewer=viewer, inference=inference)
    matches, said = await _matches(session, viewer=viewer, question=question, answer=answer, rule=queries.communities)
    found = await shown.to_join(session, viewer=viewer, ids=_ids(matches), limit=asked.limit)
    return MatchedConnectors(
        **said,
        matches=[
            MatchedConnector(connector=found[UUID(one.key)], score=one.score, reason=one.reason)
            for one in matches
            if UUID(one.key) in found
        ],
    )


async def match_interests(
    session: AsyncSession, *, viewer: Viewer, inference: InferenceClient, limit: int
) -> MatchedInterests:
    """Match interests that the viewer has not named."""
    question = _question(viewer, MatchKind.INTERESTS, limit=limit)
    await let_go(session)
    answer = await _ask(question, viewer=viewer, inference=inference)
    matches, said = await _matches(session, viewer=viewer, question=question, answer=answer, rule=queries.interests)
    return MatchedInterests(
        **said,
        matches=[MatchedInterest(interest=one.key, score=one.score, reason=one.reason) for one in matches],
    )


def _question(viewer: Viewer, kind: MatchKind, *, limit: int, together: Sequence[str] = ()) -> _Question:
    request = MatchRequest(user_id=str(viewer.id), with_user_ids=list(together), kind=kind, limit=limit)
    return _Question(request, Question(Service.MATCHING, kind.value, viewer.id))


async def _ask(question: _Question, *, viewer: Viewer, inference: InferenceClient) -> MatchAnswer | NoAnswer:
    """Return the model's answer, or why there is none."""
    if not viewer.personalised:
        return NoAnswer.NO_CONSENT
    try:
        answer = await inference.ask(Service.MATCHING, "/match", question.request, MatchAnswer)
        if question.request.kind is not MatchKind.INTERESTS:
            _ids(answer.matches)
    except InferenceError as error:
        return error.reason
    except ValueError:
        return NoAnswer.INVALID_ANSWER
    return answer if answer.matches else NoAnswer.NO_MATCHES  # Who is new is not in the model's town yet.


async def _matches(
    session: AsyncSession, *, viewer: Viewer, question: _Question, answer: MatchAnswer | NoAnswer, rule: Rule
) -> tuple[Sequence[Match], dict[str, Any]]:
    """Return the model's matches, or those of the rule, and what is said of how they were found."""
    if isinstance(answer, MatchAnswer):
        matches: Sequence[Match] = answer.matches
        said = {"path": Path.MODEL, "reason_code": None, "model_version": answer.model_version}
    else:
        rows = await session.execute(rule(viewer, limit=question.request.limit))
        matches = [Match(key=str(row.key), score=float(row.score), reason=row.reason) for row in rows]
        said = {"path": Path.RULES, "reason_code": answer.value, "model_version": None}
    if viewer.watched:
        # Who was matched is not in it: they have not agreed to be kept in what is kept of somebody else.
        told = {"scores": [one.score for one in matches], "reasons": [one.reason for one in matches]}
        await question.asked.log(session, told, version=said["model_version"], reason=said["reason_code"])
    return matches, said


def _ids(matches: Sequence[Match]) -> list[UUID]:
    return [UUID(one.key) for one in matches]
