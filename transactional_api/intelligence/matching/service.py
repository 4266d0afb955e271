"""Matching of users, connectors and interests: by the matching model, or by rules as a fallback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import Select

from neighborconnect.contracts.matching import MAX_MATCHES, Match, MatchKind, MatchRequest, MatchResponse
from transactional_api.core.db.statements import Reads
from transactional_api.core.errors import NotFoundError
from transactional_api.core.inference.client import (
    FallbackReason,
    InferenceClient,
    InferenceError,
    PredictionSource,
    Service,
)
from transactional_api.core.inference.prediction_log import PredictionLogEntry
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.matching import candidates, nearby, queries
from transactional_api.intelligence.matching.schemas import (
    ConnectorMatchBody,
    MatchedConnector,
    MatchedConnectors,
    MatchedInterest,
    MatchedInterests,
    MatchedUser,
    MatchedUsers,
    ProximityMatches,
)

Rule = Callable[..., Select[Any]]

SPARE_USERS = 2
"""Users requested per user returned: the model knows neither who verified an email address nor who is visible."""


@dataclass(frozen=True, slots=True)
class _Query:
    request: MatchRequest
    log_entry: PredictionLogEntry


async def match_users(reads: Reads, *, viewer: Viewer, inference: InferenceClient, limit: int) -> MatchedUsers:
    """Match users for the viewer; only visible users with a verified email address are returned."""
    query = _query(viewer, MatchKind.USERS, limit=min(SPARE_USERS * limit, MAX_MATCHES))
    await reads.release()
    answer = await _ask(query, viewer=viewer, inference=inference)
    return await _matched_users(reads, viewer=viewer, query=query, answer=answer, rule=queries.neighbors, limit=limit)


async def match_nearby(
    reads: Reads, redis: Redis, *, viewer: Viewer, inference: InferenceClient, limit: int
) -> ProximityMatches:
    """Match nearby users, connectors and events; the database is queried while the model responds."""
    query = _query(viewer, MatchKind.PROXIMITY, limit=min(SPARE_USERS * limit, MAX_MATCHES))
    async with asyncio.TaskGroup() as group:
        prediction = group.create_task(_ask(query, viewer=viewer, inference=inference))
        connectors_near, events_near = await nearby.match_nearby(reads, redis, viewer=viewer, limit=limit)
        await reads.release()
    matched_users = await _matched_users(
        reads, viewer=viewer, query=query, answer=prediction.result(), rule=queries.nearby, limit=limit
    )
    return ProximityMatches(**dict(matched_users), connectors=connectors_near, events=events_near)


async def _matched_users(
    reads: Reads, *, viewer: Viewer, query: _Query, answer: MatchResponse | FallbackReason, rule: Rule, limit: int
) -> MatchedUsers:
    matches, provenance = await _matches(reads, viewer=viewer, query=query, answer=answer, rule=rule)
    users = await candidates.load_users(reads.runner, viewer=viewer, ids=_ids(matches))
    return MatchedUsers(
        **provenance,
        matches=[
            MatchedUser(user=users[UUID(match.key)], score=match.score, reason=match.reason)
            for match in matches
            if UUID(match.key) in users
        ][:limit],
    )


async def match_connectors(
    reads: Reads, *, viewer: Viewer, inference: InferenceClient, body: ConnectorMatchBody
) -> MatchedConnectors:
    """Match visible connectors that the viewer can join.

    Raises:
        NotFoundError: when one of ``with_user_ids`` is not a mutual follow of the viewer.
    """
    together = set(body.with_user_ids)
    if together and together != set(
        await reads.session.scalars(queries.mutual_follows(viewer, among=body.with_user_ids))
    ):
        raise NotFoundError
    query = _query(viewer, MatchKind.COMMUNITIES, limit=body.limit, together=sorted(map(str, together)))
    await reads.release()
    answer = await _ask(query, viewer=viewer, inference=inference)
    matches, provenance = await _matches(reads, viewer=viewer, query=query, answer=answer, rule=queries.communities)
    connectors = await candidates.load_connectors(reads.runner, viewer=viewer, ids=_ids(matches), limit=body.limit)
    return MatchedConnectors(
        **provenance,
        matches=[
            MatchedConnector(connector=connectors[UUID(match.key)], score=match.score, reason=match.reason)
            for match in matches
            if UUID(match.key) in connectors
        ],
    )


async def match_interests(reads: Reads, *, viewer: Viewer, inference: InferenceClient, limit: int) -> MatchedInterests:
    """Match interests that the viewer has not stated."""
    query = _query(viewer, MatchKind.INTERESTS, limit=limit)
    await reads.release()
    answer = await _ask(query, viewer=viewer, inference=inference)
    matches, provenance = await _matches(reads, viewer=viewer, query=query, answer=answer, rule=queries.interests)
    return MatchedInterests(
        **provenance,
        matches=[MatchedInterest(interest=match.key, score=match.score, reason=match.reason) for match in matches],
    )


def _query(viewer: Viewer, kind: MatchKind, *, limit: int, together: Sequence[str] = ()) -> _Query:
    request = MatchRequest(user_id=str(viewer.id), with_user_ids=list(together), kind=kind, limit=limit)
    return _Query(request, PredictionLogEntry(Service.MATCHING, kind.value, viewer.id))


async def _ask(query: _Query, *, viewer: Viewer, inference: InferenceClient) -> MatchResponse | FallbackReason:
    """Return the response of the model, or the reason for the fallback."""
    if not viewer.personalised:
        return FallbackReason.NO_CONSENT
    try:
        answer = await inference.ask(Service.MATCHING, "/match", query.request, MatchResponse)
        if query.request.kind is not MatchKind.INTERESTS:
            _ids(answer.matches)
    except InferenceError as error:
        return error.reason
    except ValueError:
        return FallbackReason.INVALID_ANSWER
    return answer if answer.matches else FallbackReason.NO_MATCHES  # New users are not in the model's graph yet.


async def _matches(
    reads: Reads, *, viewer: Viewer, query: _Query, answer: MatchResponse | FallbackReason, rule: Rule
) -> tuple[Sequence[Match], dict[str, Any]]:
    """Return the matches of the model or of the fallback rule, and their provenance."""
    if isinstance(answer, MatchResponse):
        matches: Sequence[Match] = answer.matches
        provenance: dict[str, Any] = {
            "source": PredictionSource.MODEL,
            "reason_code": None,
            "model_version": answer.model_version,
            "features_age_ms": answer.features_age_ms,
        }
    else:
        rows = await reads.session.execute(rule(viewer, limit=query.request.limit))
        matches = [Match(key=str(row.key), score=float(row.score), reason=row.reason) for row in rows]
        provenance = {"source": PredictionSource.RULES, "reason_code": answer.value, "model_version": None}
    if viewer.has_tracking_consent:
        # Matched users are not logged: they did not consent to be in the data of another user.
        output = {"scores": [match.score for match in matches], "reasons": [match.reason for match in matches]}
        await query.log_entry.log(
            reads.runner, output, version=provenance["model_version"], reason=provenance["reason_code"]
        )
    return matches, provenance


def _ids(matches: Sequence[Match]) -> list[UUID]:
    return [UUID(match.key) for match in matches]
