"""Who and what fits one person: the town's graph, and how its signs are weighed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.matching.combination import Combination, chance_of
from models.matching.graph import VECTOR_SIGNS, Graph, Signs, Weights, spread, where
from models.matching.town import BoolArray, IntArray
from neighborconnect.contracts.matching import Match, MatchAnswer, MatchKind, Pair, PairsAnswer

PEOPLE, CONNECTORS = "people", "connectors"
MODEL_FILE = "model.json"
POPULAR = "popular"
_FITS_OTHERS = "fits_your_friends"
# For each reason the sign that must be there, and those that it is weighed by.
_PERSON_REASONS = {
    "mutual_ties": ("common_ties", ("common_ties", "adamic_adar", "resource_allocation", "walk", "tie_vectors")),
    "shared_connectors": ("shared_connectors", ("shared_connectors", "connector_overlap", "member_vectors")),
    "shared_interests": ("shared_interests", ("shared_interests",)),
    "neighbours": ("same_place", ("same_place", "near_cell")),
    "lives_near": ("near_cell", ("same_place", "near_cell")),
}
_CONNECTOR_REASONS = {
    "people_you_follow": ("ties_inside", ("ties_inside", "ties_inside_share")),
    "like_your_connectors": ("like_mine", ("like_mine", "member_vectors")),
    "your_interests": ("interest", ("interest",)),
    "neighbours": ("here", ("here",)),
}
_LEAST_PEOPLE = 3
"""An interest that fewer have would tell on them."""
_MEANING = 0.5
_SAME_PLACE, _NEXT_AREA = 0.9, 0.5
"""How near somebody of the same neighbourhood is, of the same city half as much; and somebody of the next cell.
Who is nearer than that is of the same cell or neighbourhood, and comes before all others."""
_FIT = 0.05
"""What fits best is this much nearer."""
_FIRST = 1e6
"""Added to what has a reason: what is only popular comes after it, whatever the scores."""


@dataclass(frozen=True)
class Matcher:
    """Answers for one version of the model over one snapshot of the town; safe to use from several threads."""

    graph: Graph
    people: Combination
    connectors: Combination
    model_version: str

    def warm_up(self) -> None:
        """Make what is else made when it is first needed: half a second, in a large town."""
        for kind in MatchKind if self.graph.town.people else ():
            self.match(self.graph.town.people[0], kind, limit=1)

    def match(self, user_id: str, kind: MatchKind, *, limit: int, together: Sequence[str] = ()) -> MatchAnswer:
        """Return who or what fits a person, the best first; nothing for who is not in the snapshot.

        Args:
            user_id: the person.
            kind: of what is matched.
            limit: at most so many.
            together: with whom connectors are to fit them; who is not in the snapshot does not count.
        """
        person = self._place_of.get(user_id)
        if person is None:
            matches = []
        elif kind is MatchKind.COMMUNITIES:
            others = [place for other in together if (place := self._place_of.get(other)) is not None]
            matches = self._communities(person, limit, others=others)
        else:
            answer = {
                MatchKind.USERS: self._users,
                MatchKind.INTERESTS: self._interests,
                MatchKind.PROXIMITY: self._proximity,
            }[kind]
            matches = answer(person, limit)
        return MatchAnswer(model_version=self.model_version, matches=matches)

    def pairs(self, user_ids: Sequence[str], with_user_ids: Sequence[str]) -> PairsAnswer:
        """Return how well each of the first fits each of the second, where the snapshot has both."""
        others = {one: place for one in with_user_ids if (place := self._place_of.get(one)) is not None}
        rows = np.array(list(others.values()), dtype=np.int64)
        found = []
        for user_id in user_ids if others else ():
            if (person := self._place_of.get(user_id)) is None:
                continue
            signs = self.graph.signs_of(person, rows)
            scores, reasons = self.people.chance(signs), _reasons(signs, self.people, _PERSON_REASONS)
            found += [
                Pair(user_id=user_id, with_user_id=other, score=float(score), reason=str(reason))
                for other, score, reason in zip(others, scores, reasons, strict=True)
                if other != user_id
            ]
        return PairsAnswer(model_version=self.model_version, pairs=found)

    @cached_property
    def _place_of(self) -> dict[str, int]:
        return {user_id: place for place, user_id in enumerate(self.graph.town.people)}

    @cached_property
    def _follows(self) -> tuple[IntArray, IntArray]:
        """Who follows whom, by follower: where each begins, and the followees."""
        ties = self.graph.town.ties
        order = np.argsort(ties[:, 0], kind="stable")
        begins = np.searchsorted(ties[order, 0], np.arange(len(self.graph.town.people) + 1))
        return begins, ties[order, 1]

    @cached_property
    def _vectors_reach(self) -> float:
        """How far the signs of vectors move the log odds at most; they are from -1 to 1."""
        return sum(abs(self.people.weights[self.people.signs.index(name)]) for name in VECTOR_SIGNS)

    def _strangers(self, person: int) -> BoolArray:
        """Return who is neither the person nor followed by them."""
        begins, followees = self._follows
        found = np.ones(len(self.graph.town.people), dtype=bool)
        found[followees[begins[person] : begins[person + 1]]] = False
        found[person] = False
        return found

    def _users(self, person: int, limit: int) -> list[Match]:
        signs = self.graph.quick_signs(person)
        has_reason = _has_reason(signs, self.people, _PERSON_REASONS)
        worth = self.people.log_odds(signs) + _FIRST * has_reason
        rows = np.flatnonzero(self._strangers(person))
        rows = rows[_could_be_best(*self._with_vectors(worth[rows]), limit=limit)]
        signs = self.graph.with_vector_signs(person, signs[rows], rows)
        best = _best(self.people.log_odds(signs) + _FIRST * has_reason[rows], limit=limit)
        scores, reasons = self.people.chance(signs[best]), _reasons(signs[best], self.people, _PERSON_REASONS)
        return _named(self.graph.town.people, rows[best], scores, reasons)

    def _proximity(self, person: int, limit: int) -> list[Match]:
        cell, place = self.graph.near_cells(person), self.graph.same_place(person)
        near, strangers = np.maximum(cell, _SAME_PLACE * place), self._strangers(person)
        rows = np.flatnonzero(strangers & (near > _NEXT_AREA))
        if len(rows) < limit:
            rows = np.flatnonzero(strangers & (near > 0))
        rows = rows[_could_be_best(near[rows], near[rows] + _FIT, limit=limit)]
        # Who is equally near is ordered by how well they fit otherwise.
        signs = self.graph.quick_signs(person, rows)
        least, most = map(chance_of, self._with_vectors(self.people.log_odds(signs)))
        could = _could_be_best(near[rows] + _FIT * least, near[rows] + _FIT * most, limit=limit)
        rows, signs = rows[could], self.graph.with_vector_signs(person, signs[could], rows[could])
        scores = near[rows] + _FIT * self.people.chance(signs)
        best = _best(scores, limit=limit)
        rows, scores = rows[best], scores[best]
        cell, place = cell[rows], place[rows]
        reasons = np.select(
            [cell == 1, place == 1, cell > 0], ["same_area", "same_neighborhood", "next_area"], "same_city"
        )
        return _named(self.graph.town.people, rows, scores, reasons)

    def _with_vectors(self, log_odds: Weights) -> tuple[Weights, Weights]:
        """Return between which log odds those without ``VECTOR_SIGNS`` lie with them."""
        return log_odds - self._vectors_reach, log_odds + self._vectors_reach

    def _communities(self, person: int, limit: int, *, others: Sequence[int] = ()) -> list[Match]:
        """Match connectors; a group's chance is the mean of its people's, and the person's own reasons come first."""
        signs = self.graph.connector_signs(person)
        chances, reasons = [self.connectors.chance(signs)], _reasons(signs, self.connectors, _CONNECTOR_REASONS)
        for other in others:
            theirs = self.graph.connector_signs(other)
            chances.append(self.connectors.chance(theirs))
            fits = _reasons(theirs, self.connectors, _CONNECTOR_REASONS) != POPULAR
            reasons = np.where((reasons == POPULAR) & fits, _FITS_OTHERS, reasons)
        wanted = self.graph.town.is_open.copy()
        wanted[self.graph.row(self.graph.members, person)] = False
        scores: Weights = np.mean(chances, axis=0)
        return _best_named(self.graph.town.connectors, scores, reasons, wanted=wanted, limit=limit)

    def _interests(self, person: int, limit: int) -> list[Match]:
        graph, town = self.graph, self.graph.town
        liked, tied, mine = (graph.row(matrix, person) for matrix in (graph.likes, graph.ties, graph.members))
        number = np.diff(graph.liked_by.indptr)
        common = np.sqrt(np.maximum(number, 1))
        alike = spread(graph.liked_by, liked, 1 / common[liked])
        together = spread(graph.inside, mine, 1 / np.sqrt(np.maximum(graph.sizes, 1))[mine])
        alike[person] = together[person] = 0
        sources = {
            "goes_with_your_interests": self._by_people(alike) / common + _MEANING * self._meaning(liked),
            "people_you_know": spread(graph.likes, tied, np.ones(len(tied))) / common,
            "people_in_your_connectors": self._by_people(together) / common,
        }
        parts = np.stack([_scaled(values) for values in sources.values()])
        reasons = np.where(parts.max(axis=0) > 0, np.array(list(sources))[parts.argmax(axis=0)], POPULAR)
        wanted = number >= _LEAST_PEOPLE
        wanted[liked] = False
        scores = parts.sum(axis=0) + 0.01 * _scaled(number.astype(np.float64))
        return _best_named(town.interests, scores, reasons, wanted=wanted, limit=limit)

    def _by_people(self, weights: Weights) -> Weights:
        rows = where(weights)
        return spread(self.graph.likes, rows, weights[rows])

    def _meaning(self, liked: IntArray) -> Weights:
        """Return how near each interest's name is in meaning to one that the person has."""
        vectors = self.graph.town.interest_vectors
        if not len(liked) or not vectors.shape[1]:
            return np.zeros(len(vectors))
        found: Weights = np.maximum((vectors @ vectors[liked].T).max(axis=1), 0).astype(np.float64)
        return found


def _scaled(values: Weights) -> Weights:
    most = values.max(initial=0.0)
    return values / most if most > 0 else values


def _has_reason(signs: Signs, how: Combination, known: Mapping[str, tuple[str, tuple[str, ...]]]) -> BoolArray:
    """Return for each row whether it has a reason at all; much sooner found than which."""
    found: BoolArray = np.logical_or.reduce([signs[:, how.signs.index(must)] > 0 for must, _ in known.values()])
    return found


def _reasons(signs: Signs, how: Combination, known: Mapping[str, tuple[str, tuple[str, ...]]]) -> IntArray:
    """Return for each row the reason whose signs count for most among those that are there at all."""
    shares = []
    for must, counted in known.values():
        places = [how.signs.index(name) for name in counted]
        counts = signs[:, places] @ np.array([how.weights[place] for place in places])
        shares.append(np.where(signs[:, how.signs.index(must)] > 0, counts, -np.inf))
    found = np.stack(shares)
    return np.where(np.isfinite(found.max(axis=0)), np.array(list(known))[found.argmax(axis=0)], POPULAR)


def _could_be_best(least: Weights, most: Weights, *, limit: int) -> IntArray:
    """Return where those are that could be among the best, if each is worth something from ``least`` to ``most``."""
    if len(least) <= limit:
        return np.arange(len(least))
    return np.flatnonzero(most >= np.partition(least, -limit)[-limit])


def _best(worth: Weights, *, limit: int) -> IntArray:
    """Return where the best are, the best first."""
    best = np.argpartition(-worth, limit)[:limit] if len(worth) > limit else np.arange(len(worth))
    found: IntArray = best[np.argsort(-worth[best], kind="stable")]
    return found


def _best_named(
    names: tuple[str, ...], scores: Weights, reasons: IntArray, *, wanted: BoolArray, limit: int
) -> list[Match]:
    """Return the best of those that are wanted; what is only popular comes after what has a reason."""
    rows = np.flatnonzero(wanted)
    rows = rows[_best(scores[rows] + _FIRST * (reasons[rows] != POPULAR), limit=limit)]
    return _named(names, rows, scores[rows], reasons[rows])


def _named(names: tuple[str, ...], rows: IntArray, scores: Weights, reasons: IntArray) -> list[Match]:
    """Return the matches of ``rows``, whose scores and reasons are in the same order."""
    return [
        Match(key=names[row], score=float(score), reason=str(reason))
        for row, score, reason in zip(rows, scores, reasons, strict=True)
    ]
