"""Sharing out places among the members of a connector: tools to lend, seats in a car, beds for a night.

Each side is ordered by whom it names and then by how well they fit: by the matching model, or by where they live when
there is none. The places are then given by ``assignment``. Nobody is put with somebody whom they block, either way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.matching import PairsAnswer, PairsRequest
from transactional_api.answers import Path
from transactional_api.auth import Viewer
from transactional_api.connectors.access import access_to_tend
from transactional_api.db.session import let_go
from transactional_api.db.tables import Block, ConnectorMember, User
from transactional_api.errors import NotFoundError
from transactional_api.inference import InferenceClient, InferenceError, NoAnswer, Service
from transactional_api.judgements import Question
from transactional_api.matching.assignment import Side, assign
from transactional_api.matching.schemas import Assigned, Assignment, MutualBody, Seeker
from transactional_api.users import queries as users

Fit = tuple[float, str]
Fits = dict[frozenset[UUID], Fit]
"""A score and its reason by the two whom it is about."""
_NO_SIGNS: Fit = (0.0, "no_signs")


async def share_out(
    session: AsyncSession, *, viewer: Viewer, inference: InferenceClient, asked: MutualBody
) -> Assignment:
    """Give the places of the offers to the seekers.

    Raises:
        NotFoundError: when the viewer may not see the connector, or somebody named is no member whom they may see.
        ForbiddenError: when they do not tend it.
    """
    await access_to_tend(session, viewer=viewer, connector_id=asked.connector_id)
    people = await _members(session, viewer=viewer, asked=asked)
    apart = await _blocked(session, people)
    await let_go(session)
    fits, said = await _fits(inference, people, asked)

    def order(one: Seeker, others: Sequence[Seeker]) -> list[UUID]:
        """Put those whom one names first, then the others by how well they fit."""
        named = {user_id: rank for rank, user_id in enumerate(one.prefers)}
        pairs = {other.user_id: frozenset((one.user_id, other.user_id)) for other in others}
        wanted = [other for other, pair in pairs.items() if other != one.user_id and pair not in apart]
        return sorted(wanted, key=lambda it: (named.get(it, len(named)), -fits.get(pairs[it], _NO_SIGNS)[0], it))

    given = assign(
        {one.user_id: Side(order(one, asked.offers)) for one in asked.seekers},
        {one.user_id: Side(order(one, asked.seekers), one.places) for one in asked.offers},
    )
    pairs = []
    for seeker, offer in given.items():
        score, reason = fits.get(frozenset((seeker, offer)), _NO_SIGNS)
        pairs.append(Assigned(offer_user_id=offer, seeker_user_id=seeker, score=score, reason=reason))
    if viewer.watched:
        told = {"scores": [one.score for one in pairs], "reasons": [one.reason for one in pairs]}
        question = Question(Service.MATCHING, "mutual", viewer.id)
        await question.log(session, told, version=said["model_version"], reason=said["reason_code"])
    left = [one.user_id for one in asked.seekers if one.user_id not in given]
    return Assignment(**said, pairs=pairs, unplaced_user_ids=left)


async def _members(session: AsyncSession, *, viewer: Viewer, asked: MutualBody) -> dict[UUID, Any]:
    named = {one.user_id for one in (*asked.offers, *asked.seekers)}
    inside = select(ConnectorMember.user_id).where(ConnectorMember.connector_id == asked.connector_id)
    columns = (User.id, User.neighborhood, User.city, User.personalised)
    seen = users.visible_to(viewer).with_only_columns(*columns).where(User.id.in_(named), User.id.in_(inside))
    found = {row.id: row for row in await session.execute(seen)}
    if found.keys() != named:
        raise NotFoundError
    return found


async def _blocked(session: AsyncSession, people: Collection[UUID]) -> set[frozenset[UUID]]:
    among = select(Block.blocker_id, Block.blocked_id).where(Block.blocker_id.in_(people), Block.blocked_id.in_(people))
    return {frozenset(row) for row in await session.execute(among)}


async def _fits(
    inference: InferenceClient, people: Mapping[UUID, Any], asked: MutualBody
) -> tuple[Fits, dict[str, Any]]:
    """Return how well they fit, and who says so; who refuses personalisation is not asked about."""
    offers, seekers = (
        [str(one.user_id) for one in side if people[one.user_id].personalised] for side in (asked.offers, asked.seekers)
    )
    try:
        if not offers or not seekers:
            raise InferenceError(NoAnswer.NO_CONSENT)  # noqa: TRY301 (the rules answer as for every other reason)
        request = PairsRequest(user_ids=offers, with_user_ids=seekers)
        answer = await inference.ask(Service.MATCHING, "/pairs", request, PairsAnswer)
        if not answer.pairs:  # Who is new is not in the model's town yet.
            raise InferenceError(NoAnswer.NO_MATCHES)  # noqa: TRY301
        fits = {frozenset((UUID(one.user_id), UUID(one.with_user_id))): (one.score, one.reason) for one in answer.pairs}
    except (InferenceError, ValueError) as error:
        reason = error.reason if isinstance(error, InferenceError) else NoAnswer.INVALID_ANSWER
        near = {
            frozenset((one.user_id, other.user_id)): _near(people[one.user_id], people[other.user_id])
            for one in asked.offers
            for other in asked.seekers
        }
        return near, {"path": Path.RULES, "reason_code": reason.value, "model_version": None}
    return fits, {"path": Path.MODEL, "reason_code": None, "model_version": answer.model_version}


def _near(one: Any, other: Any) -> Fit:
    if one.neighborhood and one.neighborhood == other.neighborhood:
        return 1.0, "same_neighborhood"
    return (0.5, "same_city") if one.city and one.city == other.city else _NO_SIGNS
