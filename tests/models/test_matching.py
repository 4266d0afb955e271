"""Matching: what hidden ties teach, how a town is kept, and the circles that are found in it."""

from __future__ import annotations

import json

import h3
import numpy as np
import pytest

from models.matching import evaluate
from models.matching.clusters import draw_circles, find_circles
from models.matching.combination import Combination
from models.matching.evaluate import CONNECTORS, PEOPLE, SHARE, hide, hide_members, hide_ties
from models.matching.graph import CONNECTOR_SIGNS, PERSON_SIGNS, with_vectors
from models.matching.town import TownError, from_bytes, to_bytes, town_of
from models.matching.train import LEARNT, RULE, find
from pipelines.town import FLOOR, coarse
from tests.models.towns import CIRCLES, HOME, SEED, circles_town, small_town


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
