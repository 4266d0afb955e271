"""Matching: what hidden ties teach, what one person is shown and why, and what must not be shown."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache

import h3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.matching import evaluate
from models.matching.clusters import draw_circles, find_circles
from models.matching.combination import Combination
from models.matching.evaluate import CONNECTORS, PEOPLE, SHARE, hide, hide_members, hide_ties
from models.matching.graph import CONNECTOR_SIGNS, PERSON_SIGNS, Graph, with_vectors
from models.matching.predictor import Matcher
from models.matching.town import Town, TownError, from_bytes, to_bytes, town_of
from models.matching.train import LEARNT, RULE, find
from neighborconnect.contracts.matching import Match, MatchKind
from pipelines.town import FLOOR, coarse

SEED = 3
CIRCLES, PEOPLE_EACH = 8, 25
HOME = h3.latlng_to_cell(40.7, -73.9, 7)


def circles_town(*, seed: int = SEED, mixed: bool = False) -> Town:
    """People in circles: most ties and memberships are within one; with ``mixed`` circles mean nothing."""
    generator, n = np.random.default_rng(seed), CIRCLES * PEOPLE_EACH
    circle = np.repeat(np.arange(CIRCLES), PEOPLE_EACH)
    ties = []
    for person in range(n):
        inside = generator.choice(np.flatnonzero(circle == circle[person]), 6, replace=False)
        others = generator.choice(n, 6 if mixed else 1, replace=False)
        ties += [(person, other) for other in (others if mixed else [*inside, *others]) if other != person]
    members = [
        (person, int(connector))
        for person in range(n)
        for connector in (
            generator.choice(CIRCLES * 3, 2, replace=False)
            if mixed
            else 3 * circle[person] + generator.choice(3, 2, replace=False)
        )
    ]
    return town_of(
        people=tuple(f"p{place}" for place in range(n)),
        connectors=tuple(f"c{place}" for place in range(CIRCLES * 3)),
        ties=np.unique(ties, axis=0),
        members=np.array(members),
    )


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


def small_town() -> Town:
    """Five who know each other in part; ``eve`` is new."""
    return town_of(
        people=("ada", "ben", "cai", "dee", "eve", "fay"),
        connectors=("garden", "bakers", "secret"),
        interests=("bees", "bread", "boats"),
        ties=np.array([[0, 1], [1, 2], [2, 1], [0, 5]]),
        members=np.array([[0, 0], [3, 0], [1, 1], [3, 2], [0, 0]]),
        likes=np.array([[0, 0], [1, 0], [2, 0], [1, 1], [2, 1], [3, 1], [5, 2]]),
        categories=np.array([0, 1, -1]),
        is_open=np.array([True, True, False]),
        cities=np.array([0, 0, 0, 0, -1, -1]),
        cells=np.array([h3.str_to_int(HOME)] * 2 + [h3.str_to_int(next(iter(h3.grid_ring(HOME, 1))))] + [0] * 3),
    )


@pytest.mark.parametrize(("name", "question"), [("people", PEOPLE), ("connectors", CONNECTORS)])
def test_what_is_learnt_of_circles_beats_the_rule_of_thumb(name: str, question: object) -> None:
    found = find(circles_town(), name, question, seed=SEED, before=None)  # type: ignore[arg-type]
    assert found.judgement is not None
    assert found.judgement.auc[LEARNT].value > 0.8
    assert found.judgement.auc[LEARNT].low <= found.judgement.auc[LEARNT].value <= found.judgement.auc[LEARNT].high
    assert found.judgement.brier < 0.2
    assert found.served == (LEARNT if found.judgement.gain.low > 0 else RULE)


def test_where_circles_mean_nothing_the_rule_of_thumb_stays() -> None:
    found = find(circles_town(mixed=True), "connectors", CONNECTORS, seed=SEED, before=None)
    assert (found.served, found.combination) == (RULE, CONNECTORS.rule_of_thumb)


def test_too_little_is_said_and_the_rule_of_thumb_is_served() -> None:
    found = find(small_town(), "people", PEOPLE, seed=SEED, before=None)
    assert (found.served, found.judgement) == (RULE, None)
    assert "are needed" in found.reason


def test_the_latest_ties_are_hidden_and_nobody_loses_all() -> None:
    town = circles_town()
    dated = town.with_ties(town.ties, np.arange(1, len(town.ties) + 1))
    left, hidden = hide_ties(dated, seed=SEED)
    matches = hidden.pairs[hidden.labels == 1]
    assert len(matches) == pytest.approx(SHARE * len(np.unique(np.sort(town.ties, axis=1), axis=0)), abs=1)
    assert set(np.unique(left.ties)) == set(np.unique(town.ties))
    known, gone = (set(map(tuple, np.sort(pairs, axis=1).tolist())) for pairs in (left.ties, hidden.pairs))
    assert not known & gone
    assert np.median(left.tied_at) < np.median(dated.tied_at)


def test_a_large_town_is_judged_by_some_of_its_pairs_that_are_half_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    town = circles_town()
    _, every = hide(town, PEOPLE, seed=SEED)
    monkeypatch.setattr(evaluate, "MOST_COMPARED", 2 * 60 * len(town.people))
    _, some = hide(town, PEOPLE, seed=SEED)
    assert len(every.labels) > len(some.labels) == 2 * some.labels.sum() == 120
    assert set(map(tuple, some.pairs.tolist())) <= set(map(tuple, every.pairs.tolist()))


def test_hidden_memberships_are_not_in_what_is_left() -> None:
    town = circles_town()
    left, hidden = hide_members(town, seed=SEED)
    known = set(map(tuple, left.members.tolist()))
    assert not known & set(map(tuple, hidden.pairs.tolist()))
    assert set(left.members[:, 0]) == set(town.members[:, 0])


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


def test_a_town_is_read_as_it_was_written() -> None:
    town = with_vectors(small_town())
    again = from_bytes(to_bytes(town))
    assert (again.people, again.interests) == (town.people, town.interests)
    assert np.array_equal(again.cells, town.cells)
    assert np.array_equal(again.member_vectors, town.member_vectors)


@pytest.mark.parametrize("data", [b"", b"x" * 99, to_bytes(small_town())[:-20]])
def test_what_is_no_town_is_refused(data: bytes) -> None:
    with pytest.raises(TownError):
        from_bytes(data)


def test_a_town_that_does_not_fit_itself_is_refused() -> None:
    with pytest.raises(TownError, match="ties"):
        town_of(people=("ada",), ties=np.array([[0, 1]]))
    with pytest.raises(TownError, match="entry"):
        town_of(people=("ada",), cells=np.array([1, 2]))


def test_a_combination_is_read_as_it_was_written() -> None:
    rule = PEOPLE.rule_of_thumb
    assert Combination.of(json.loads(rule.as_json())) == rule
    assert (len(PERSON_SIGNS), len(CONNECTOR_SIGNS)) == (len(rule.weights), len(CONNECTORS.rule_of_thumb.weights))


def test_homes_are_told_in_cells_of_enough_people_only() -> None:
    far = h3.latlng_to_cell(10.0, 10.0, 7)
    cells = coarse([HOME] * FLOOR + [far] + [None])
    assert [int(cell) for cell in cells[:FLOOR]] == [h3.str_to_int(HOME)] * FLOOR
    assert cells[-2:].tolist() == [0, 0]
    siblings = sorted(h3.cell_to_children(h3.cell_to_parent(HOME, 6), 7))[:FLOOR]
    assert {int(cell) for cell in coarse(list(siblings))} == {h3.str_to_int(h3.cell_to_parent(HOME, 6))}


def test_the_circles_of_the_town_are_found_and_drawn() -> None:
    circles = find_circles(circles_town(), seed=SEED)
    assert CIRCLES - 2 <= len(circles.members) <= CIRCLES + 2
    assert circles.modularity > 0.5
    assert len(draw_circles(circles, seed=SEED).axes) == 2
    assert find_circles(town_of(people=("ada",)), seed=SEED).members == ()


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
