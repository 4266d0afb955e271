"""The matcher: what one person is shown and why, and what must not be shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import h3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.matching.combination import Combination
from models.matching.evaluate import CONNECTORS, PEOPLE
from models.matching.graph import PERSON_SIGNS, Graph, with_vectors
from models.matching.predictor import Matcher
from models.matching.town import Town, town_of
from neighborconnect.contracts.matching import Match, MatchKind
from tests.models.towns import CIRCLES, HOME, PEOPLE_EACH, circles_town, small_town


@cache
def circles_graph(seed: int) -> Graph:
    """A town of circles, whose people live here and there; what is a place to nobody comes as -1 and 0."""
    generator, n = np.random.default_rng(seed), CIRCLES * PEOPLE_EACH
    cells = [0, *map(h3.str_to_int, h3.grid_disk(HOME, 3))]
    placed = replace(
        with_vectors(circles_town(seed=seed)),
        cities=generator.integers(-1, 2, n),
        neighborhoods=generator.integers(-1, 6, n),
        cells=generator.choice(np.array(cells[: int(generator.integers(2, len(cells)))]), n),
    )
    return Graph(placed)


def matcher(town: Town) -> Matcher:
    return Matcher(Graph(with_vectors(town)), PEOPLE.rule_of_thumb, CONNECTORS.rule_of_thumb, "v1")


@given(seed=st.integers(0, 1_000))
def test_signs_of_ties_are_the_same_from_both_sides(seed: int) -> None:
    graph = circles_graph(seed % 5)
    left, right = np.random.default_rng(seed).integers(0, CIRCLES * PEOPLE_EACH, 2)
    assert graph.person_signs(int(left))[right] == pytest.approx(
        graph.person_signs(int(right))[left], rel=1e-3, abs=1e-4
    )


def test_people_fit_by_ties_connectors_interests_and_place_and_it_says_by_which() -> None:
    found = {one.key: one.reason for one in matcher(small_town()).match("ada", MatchKind.USERS, limit=9).matches}
    assert found["cai"] in {"mutual_ties", "shared_interests", "lives_near", "neighbours"}
    assert found["dee"] in {"shared_connectors", "neighbours"}
    assert found["eve"] == "popular"
    assert not {"ada", "ben", "fay"} & set(found)


@dataclass(frozen=True)
class Drawn:
    """A matcher whose weights are anything, somebody of its town, and everybody's signs towards them."""

    matcher: Matcher
    person: int
    signs: np.ndarray

    @classmethod
    def by(cls, seed: int) -> Drawn:
        generator, graph = np.random.default_rng(seed), circles_graph(seed % 5)
        how = Combination(PERSON_SIGNS, tuple(generator.normal(scale=0.5, size=len(PERSON_SIGNS))), bias=-1.0)
        person = int(generator.integers(CIRCLES * PEOPLE_EACH))
        return cls(Matcher(graph, how, CONNECTORS.rule_of_thumb, "v1"), person, graph.person_signs(person))

    @property
    def chances(self) -> np.ndarray:
        return self.matcher.people.chance(self.signs)

    @property
    def strangers(self) -> np.ndarray:
        ties = self.matcher.graph.town.ties
        return ~np.isin(np.arange(len(self.signs)), [self.person, *ties[ties[:, 0] == self.person, 1]])

    def sign(self, name: str) -> np.ndarray:
        return self.signs[:, PERSON_SIGNS.index(name)]

    def told(self, kind: MatchKind, *, limit: int) -> list[Match]:
        return list(self.matcher.match(f"p{self.person}", kind, limit=limit).matches)


@given(seed=st.integers(0, 1_000), limit=st.integers(1, 30))
def test_who_is_told_is_who_all_signs_put_first_though_vectors_are_read_of_few(seed: int, limit: int) -> None:
    drawn = Drawn.by(seed)
    reasons = [drawn.sign(name) > 0 for name in ("common_ties", "shared_connectors", "same_place", "near_cell")]
    candidates = zip(np.any(reasons, axis=0)[drawn.strangers], drawn.chances[drawn.strangers], strict=True)
    expected = sorted(candidates, reverse=True)[:limit]
    told = drawn.told(MatchKind.USERS, limit=limit)
    assert [one.score for one in told] == pytest.approx([chance for _, chance in expected], abs=1e-6)
    assert [one.reason != "popular" for one in told] == [reason for reason, _ in expected]


@given(seed=st.integers(0, 1_000), limit=st.integers(1, 60))
def test_who_is_near_is_whom_all_signs_put_first_though_signs_are_made_of_few(seed: int, limit: int) -> None:
    drawn = Drawn.by(seed)
    near = np.maximum(drawn.sign("near_cell"), 0.9 * drawn.sign("same_place"))
    expected = sorted((near + 0.05 * drawn.chances)[drawn.strangers & (near > 0)], reverse=True)[:limit]
    told = drawn.told(MatchKind.PROXIMITY, limit=limit)
    assert [one.score for one in told] == pytest.approx(expected, abs=1e-6)


def test_near_is_told_in_cells_and_never_from_whom_one_does_not_know_where() -> None:
    answer = matcher(small_town()).match("ben", MatchKind.PROXIMITY, limit=9)
    assert [(one.key, one.reason) for one in answer.matches] == [("ada", "same_area"), ("dee", "same_city")]


def test_connectors_fit_and_closed_ones_are_not_told_of() -> None:
    found = {one.key: one.reason for one in matcher(small_town()).match("ada", MatchKind.COMMUNITIES, limit=9).matches}
    assert found == {"bakers": "people_you_follow"}


def test_connectors_fit_a_group_by_the_mean_of_its_people() -> None:
    found = matcher(with_vectors(circles_town()))

    def of(person: str, *others: str) -> list[tuple[int, str]]:
        answer = found.match(person, MatchKind.COMMUNITIES, limit=4, together=others)
        return [(int(one.key[1:]) // 3, one.reason) for one in answer.matches]

    # Alone what is near to one's own circle comes first; with two of another circle, what is near to theirs.
    assert of("p0")[0] == (0, "people_you_follow")
    assert of("p0", "p199", "p198")[0] == (7, "fits_your_friends")
    assert of("p0", "nobody") == of("p0")


def test_interests_fit_that_enough_people_have() -> None:
    found = {one.key: one.reason for one in matcher(small_town()).match("ada", MatchKind.INTERESTS, limit=9).matches}
    assert found == {"bread": "goes_with_your_interests"}


def test_somebody_without_anything_is_shown_what_is_popular() -> None:
    found = matcher(small_town())
    for kind in (MatchKind.USERS, MatchKind.COMMUNITIES, MatchKind.INTERESTS):
        matches = found.match("eve", kind, limit=2).matches
        assert matches
        assert {one.reason for one in matches} == {"popular"}
    assert found.match("eve", MatchKind.PROXIMITY, limit=2).matches == []
    assert all(found.match("nobody", kind, limit=2).matches == [] for kind in MatchKind)


def test_pairs_fit_the_same_either_way_round_and_only_where_both_are_known() -> None:
    asked = matcher(circles_town())
    people = ["p0", "p1", "p30"]
    there, back = asked.pairs(people, ["p2", "p60", "nobody"]), asked.pairs(["p2", "p60"], people)
    assert {(one.user_id, one.with_user_id) for one in there.pairs} == {(a, b) for a in people for b in ("p2", "p60")}
    turned = {(one.with_user_id, one.user_id): one.score for one in back.pairs}
    for one in there.pairs:
        assert one.score == pytest.approx(turned[one.user_id, one.with_user_id], abs=1e-4)
    scores = {(one.user_id, one.with_user_id): one.score for one in there.pairs}
    assert scores["p1", "p2"] > scores["p30", "p2"]
    assert asked.pairs(["nobody"], people).pairs == asked.pairs(people, ["nobody"]).pairs == []
    assert len(asked.pairs(people, people).pairs) == 6


def test_who_is_warm_makes_nothing_more_when_asked() -> None:
    matching = matcher(small_town())
    matching.warm_up()
    made = set(vars(matching)), set(vars(matching.graph))
    for kind in MatchKind:
        matching.match(matching.graph.town.people[1], kind, limit=5)
    assert (set(vars(matching)), set(vars(matching.graph))) == made
    assert {"_place_of", "_follows"} <= made[0]


def test_a_town_without_people_is_warm_at_once() -> None:
    matcher(town_of(people=())).warm_up()
