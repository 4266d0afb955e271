"""Assignment of seekers to offers among the members of a connector: tools to lend, seats in a car.

Each side is ordered by its stated preferences and then by compatibility: of the matching model, or by neighborhood as a
fallback. ``assignment.stable_assignment`` then assigns the capacities. Users who block each other are never matched.

A moderator can infer from unused capacity and an unassigned user that one of two users blocks the other, but not which.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from neighborconnect.contracts.matching import PairsRequest, PairsResponse
from transactional_api.community.connectors.access import require_moderator
from transactional_api.core.db.statements import Reads
from transactional_api.core.db.tables import Block, ConnectorMember, User
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
from transactional_api.identity.users import queries as users
from transactional_api.intelligence.matching.assignment import Preferences, stable_assignment
from transactional_api.intelligence.matching.schemas import MatchAssignment, MatchedPair, MutualBody, Seeker

Compatibility = tuple[float, str]
Compatibilities = dict[frozenset[UUID], Compatibility]
"""Score and reason by pair of users."""
_NO_SIGNALS: Compatibility = (0.0, "no_signals")


async def assign_matches(
    reads: Reads, *, viewer: Viewer, inference: InferenceClient, body: MutualBody
) -> MatchAssignment:
    """Assign the seekers to the offers.

    Raises:
        NotFoundError: when the viewer may not see the connector, or one of the users is not a visible member.
        ForbiddenError: when the viewer is not a moderator of the connector.
    """
    await require_moderator(reads.session, viewer=viewer, connector_id=body.connector_id)
    members = await _members(reads, viewer=viewer, body=body)
    blocked = await _blocked_pairs(reads, members)
    await reads.release()
    scores, provenance = await _compatibilities(inference, members, body)

    def order(participant: Seeker, others: Sequence[Seeker]) -> list[UUID]:
        """Order others by the stated preferences, then by compatibility."""
        preferred = {user_id: rank for rank, user_id in enumerate(participant.preferences)}
        pairs = {other.user_id: frozenset((participant.user_id, other.user_id)) for other in others}
        acceptable = [other for other, pair in pairs.items() if other != participant.user_id and pair not in blocked]
        return sorted(
            acceptable,
            key=lambda user_id: (
                preferred.get(user_id, len(preferred)),
                -scores.get(pairs[user_id], _NO_SIGNALS)[0],
                user_id,
            ),
        )

    assigned = stable_assignment(
        {seeker.user_id: Preferences(order(seeker, body.offers)) for seeker in body.seekers},
        {offer.user_id: Preferences(order(offer, body.seekers), offer.capacity) for offer in body.offers},
    )
    pairs = []
    for seeker, offer in assigned.items():
        score, reason = scores.get(frozenset((seeker, offer)), _NO_SIGNALS)
        pairs.append(MatchedPair(offer_user_id=offer, seeker_user_id=seeker, score=score, reason=reason))
    if viewer.has_tracking_consent:
        output = {"scores": [pair.score for pair in pairs], "reasons": [pair.reason for pair in pairs]}
        prediction = PredictionLogEntry(Service.MATCHING, "mutual", viewer.id)
        await prediction.log(
            reads.runner, output, version=provenance["model_version"], reason=provenance["reason_code"]
        )
    unassigned = [seeker.user_id for seeker in body.seekers if seeker.user_id not in assigned]
    return MatchAssignment(**provenance, pairs=pairs, unassigned_user_ids=unassigned)


async def _members(reads: Reads, *, viewer: Viewer, body: MutualBody) -> dict[UUID, Any]:
    user_ids = {participant.user_id for participant in (*body.offers, *body.seekers)}
    member_ids = select(ConnectorMember.user_id).where(ConnectorMember.connector_id == body.connector_id)
    columns = (User.id, User.neighborhood, User.city, User.personalised)
    statement = (
        users.visible_to(viewer).with_only_columns(*columns).where(User.id.in_(user_ids), User.id.in_(member_ids))
    )
    members = {row.id: row for row in await reads.session.execute(statement)}
    if members.keys() != user_ids:
        raise NotFoundError
    return members


async def _blocked_pairs(reads: Reads, user_ids: Collection[UUID]) -> set[frozenset[UUID]]:
    statement = select(Block.blocker_id, Block.blocked_id).where(
        Block.blocker_id.in_(user_ids), Block.blocked_id.in_(user_ids)
    )
    return {frozenset(row) for row in await reads.session.execute(statement)}


async def _compatibilities(
    inference: InferenceClient, members: Mapping[UUID, Any], body: MutualBody
) -> tuple[Compatibilities, dict[str, Any]]:
    """Return the compatibilities and their provenance; users without consent are not sent to the model."""
    offers, seekers = (
        [str(participant.user_id) for participant in participants if members[participant.user_id].personalised]
        for participants in (body.offers, body.seekers)
    )
    try:
        if not offers or not seekers:
            raise InferenceError(FallbackReason.NO_CONSENT)  # noqa: TRY301 (falls back as for every other reason)
        request = PairsRequest(user_ids=offers, with_user_ids=seekers)
        response = await inference.ask(Service.MATCHING, "/pairs", request, PairsResponse)
        if not response.pairs:  # New users are not in the model's graph yet.
            raise InferenceError(FallbackReason.NO_MATCHES)  # noqa: TRY301
        scores = {
            frozenset((UUID(pair.user_id), UUID(pair.with_user_id))): (pair.score, pair.reason)
            for pair in response.pairs
        }
    except (InferenceError, ValueError) as error:
        reason = error.reason if isinstance(error, InferenceError) else FallbackReason.INVALID_ANSWER
        nearness = {
            frozenset((offer.user_id, seeker.user_id)): _nearness(members[offer.user_id], members[seeker.user_id])
            for offer in body.offers
            for seeker in body.seekers
        }
        return nearness, {"source": PredictionSource.RULES, "reason_code": reason.value, "model_version": None}
    return scores, {
        "source": PredictionSource.MODEL,
        "reason_code": None,
        "model_version": response.model_version,
        "features_age_ms": response.features_age_ms,
    }


def _nearness(one: Any, other: Any) -> Compatibility:
    if one.neighborhood and one.neighborhood == other.neighborhood:
        return 1.0, "same_neighborhood"
    return (0.5, "same_city") if one.city and one.city == other.city else _NO_SIGNALS
