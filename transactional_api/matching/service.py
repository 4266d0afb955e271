"""Who and what fits a person: the matching model's answer, or the rules' when there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.matching import Match, MatchAnswer, MatchKind, MatchRequest
from transactional_api.answers import Path
from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.connectors.schemas import ConnectorOut
from transactional_api.db.tables import Connector, User
from transactional_api.errors import NotFoundError
from transactional_api.inference import InferenceClient, InferenceError, NoAnswer, Service
from transactional_api.judgements import Question
from transactional_api.matching import queries
from transactional_api.matching.schemas import (
    CommunitiesBody,
    MatchedConnector,
    MatchedConnectors,
    MatchedInterest,
    MatchedInterests,
    MatchedUser,
    MatchedUsers,
)
from transactional_api.users import queries as users
from transactional_api.users.schemas import PublicUser

Rule = Callable[..., Select[Any]]


async def match_users(
    session: AsyncSession, *, viewer: Viewer, inference: InferenceClient, kind: MatchKind, limit: int
) -> MatchedUsers:
    """Match people (``USERS`` or ``PROXIMITY``); whom the viewer may not see is never among them."""
    rule = queries.near if kind is MatchKind.PROXIMITY else queries.neighbours
    matches, said = await _matches(session, viewer=viewer, inference=inference, kind=kind, limit=limit, rule=rule)
    statement = users.visible_to(viewer).where(User.id.in_(_ids(matches)), User.id != viewer.id)
    found = {user.id: PublicUser.model_validate(user) for user in await session.scalars(statement)}
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
    friends = set(await session.scalars(queries.friends(viewer, among=asked.with_user_ids)))
    if friends != set(asked.with_user_ids):
        raise NotFoundError
    matches, said = await _matches(
        session,
        viewer=viewer,
        inference=inference,
        kind=MatchKind.COMMUNITIES,
        limit=asked.limit,
        rule=queries.communities,
        together=sorted(map(str, friends)),
    )
    statement = connectors.visible_to(viewer).where(Connector.id.in_(_ids(matches)), ~connectors.is_member(viewer))
    found = {row.id: ConnectorOut.model_validate(row) for row in await session.scalars(statement)}
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
    matches, said = await _matches(
        session, viewer=viewer, inference=inference, kind=MatchKind.INTERESTS, limit=limit, rule=queries.interests
    )
    return MatchedInterests(
        **said,
        matches=[MatchedInterest(interest=one.key, score=one.score, reason=one.reason) for one in matches],
    )


async def _matches(
    session: AsyncSession,
    *,
    viewer: Viewer,
    inference: InferenceClient,
    kind: MatchKind,
    limit: int,
    rule: Rule,
    together: Sequence[str] = (),
) -> tuple[Sequence[Match], dict[str, Any]]:
    request = MatchRequest(user_id=str(viewer.id), with_user_ids=list(together), kind=kind, limit=limit)
    question = Question(Service.MATCHING, kind.value, viewer.id)
    matches, said = await _ask(session, viewer=viewer, inference=inference, request=request, rule=rule)
    if viewer.watched:
        # Who was matched is not in it: they have not agreed to be kept in what is kept of somebody else.
        told = {"scores": [one.score for one in matches], "reasons": [one.reason for one in matches]}
        await question.log(session, told, version=said["model_version"], reason=said["reason_code"])
    return matches, said


async def _ask(
    session: AsyncSession, *, viewer: Viewer, inference: InferenceClient, request: MatchRequest, rule: Rule
) -> tuple[Sequence[Match], dict[str, Any]]:
    try:
        if not viewer.personalised:
            raise InferenceError(NoAnswer.NO_CONSENT)  # noqa: TRY301 (the rules answer as for every other reason)
        answer = await inference.ask(Service.MATCHING, "/match", request, MatchAnswer)
        if not answer.matches:  # Who is new is not in the model's town yet.
            raise InferenceError(NoAnswer.NO_MATCHES)  # noqa: TRY301
        if request.kind is not MatchKind.INTERESTS:
            _ids(answer.matches)
    except (InferenceError, ValueError) as error:
        reason = error.reason if isinstance(error, InferenceError) else NoAnswer.INVALID_ANSWER
        rows = await session.execute(rule(viewer, limit=request.limit))
        ruled = [Match(key=str(row.key), score=float(row.score), reason=row.reason) for row in rows]
        return ruled, {"path": Path.RULES, "reason_code": reason.value, "model_version": None}
    return answer.matches, {"path": Path.MODEL, "reason_code": None, "model_version": answer.model_version}


def _ids(matches: Sequence[Match]) -> list[UUID]:
    return [UUID(one.key) for one in matches]
