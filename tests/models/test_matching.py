"""Matching model: link prediction, social graph files, and community detection."""

from __future__ import annotations

import json

import h3
import numpy as np
import pytest

from models.matching import evaluate
from models.matching.communities import detect_communities, plot_communities
from models.matching.evaluate import (
    CONNECTORS,
    HEURISTIC,
    SHARE,
    TRAINED,
    USERS,
    hold_out,
    hold_out_edges,
    hold_out_memberships,
)
from models.matching.pair_features import CONNECTOR_FEATURES, USER_FEATURES, with_vectors
from models.matching.scorer import LogisticScorer
from models.matching.social_graph import SocialGraphError, from_bytes, social_graph_of, to_bytes
from models.matching.train import fit_task
from pipelines.training.social_graph_snapshot import K_ANONYMITY, generalize_location
from tests.models.sample_graphs import COMMUNITIES, HOME, SEED, community_graph, small_graph


class TestServedScorer:
    def test_trained_scorer_is_served_when_it_beats_the_heuristic(self) -> None:
        outcome = fit_task(community_graph(), "user", USERS, seed=SEED, before=None)
        assert outcome.report is not None
        auc = outcome.report.auc[TRAINED]
        assert auc.low <= auc.value <= auc.high
        assert auc.value > 0.8
        assert outcome.report.gain.low > 0
        assert outcome.report.brier < 0.2
        assert outcome.served == TRAINED
        assert outcome.scorer != USERS.heuristic

    def test_heuristic_is_served_without_a_significant_gain(self) -> None:
        outcome = fit_task(community_graph(), "connector", CONNECTORS, seed=SEED, before=None)
        assert outcome.report is not None
        assert outcome.report.auc[TRAINED].value > 0.8
        assert outcome.report.gain.low <= 0
        assert (outcome.served, outcome.scorer) == (HEURISTIC, CONNECTORS.heuristic)

    def test_heuristic_is_served_on_a_random_graph(self) -> None:
        outcome = fit_task(community_graph(mixed=True), "connector", CONNECTORS, seed=SEED, before=None)
        assert (outcome.served, outcome.scorer) == (HEURISTIC, CONNECTORS.heuristic)

    def test_heuristic_is_served_with_too_few_pairs(self) -> None:
        outcome = fit_task(small_graph(), "user", USERS, seed=SEED, before=None)
        assert (outcome.served, outcome.report) == (HEURISTIC, None)
        assert "are needed" in outcome.reason


def test_latest_follows_are_held_out_and_every_user_keeps_one() -> None:
    graph = community_graph()
    dated = graph.with_follows(graph.follows, np.arange(1, len(graph.follows) + 1))
    left, hidden = hold_out_edges(dated, seed=SEED)
    matches = hidden.pairs[hidden.labels == 1]
    assert len(matches) == pytest.approx(SHARE * len(np.unique(np.sort(graph.follows, axis=1), axis=0)), abs=1)
    assert set(np.unique(left.follows)) == set(np.unique(graph.follows))
    known, gone = (set(map(tuple, np.sort(pairs, axis=1).tolist())) for pairs in (left.follows, hidden.pairs))
    assert not known & gone
    assert np.median(left.followed_at) < np.median(dated.followed_at)


def test_large_graph_is_evaluated_on_a_balanced_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = community_graph()
    _, every = hold_out(graph, USERS, seed=SEED)
    monkeypatch.setattr(evaluate, "MAX_COMPARISONS", 2 * 60 * len(graph.users))
    _, some = hold_out(graph, USERS, seed=SEED)
    assert len(every.labels) > len(some.labels) == 2 * some.labels.sum() == 120
    assert set(map(tuple, some.pairs.tolist())) <= set(map(tuple, every.pairs.tolist()))


def test_held_out_memberships_are_removed() -> None:
    graph = community_graph()
    left, hidden = hold_out_memberships(graph, seed=SEED)
    known = set(map(tuple, left.members.tolist()))
    assert not known & set(map(tuple, hidden.pairs.tolist()))
    assert set(left.members[:, 0]) == set(graph.members[:, 0])


def test_social_graph_round_trips() -> None:
    graph = with_vectors(small_graph())
    again = from_bytes(to_bytes(graph))
    assert (again.users, again.interests) == (graph.users, graph.interests)
    assert np.array_equal(again.cells, graph.cells)
    assert np.array_equal(again.membership_vectors, graph.membership_vectors)


@pytest.mark.parametrize("data", [b"", b"x" * 99, to_bytes(small_graph())[:-20]])
def test_invalid_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(SocialGraphError):
        from_bytes(data)


def test_inconsistent_graph_is_refused() -> None:
    with pytest.raises(SocialGraphError, match="follows"):
        social_graph_of(users=("ada",), follows=np.array([[0, 1]]))
    with pytest.raises(SocialGraphError, match="entry"):
        social_graph_of(users=("ada",), cells=np.array([1, 2]))


def test_scorer_round_trips() -> None:
    rule = USERS.heuristic
    assert LogisticScorer.from_dict(json.loads(rule.as_json())) == rule
    assert (len(USER_FEATURES), len(CONNECTOR_FEATURES)) == (len(rule.weights), len(CONNECTORS.heuristic.weights))


def test_home_cells_are_k_anonymous() -> None:
    far = h3.latlng_to_cell(10.0, 10.0, 7)
    cells = generalize_location([HOME] * K_ANONYMITY + [far] + [None])
    assert [int(cell) for cell in cells[:K_ANONYMITY]] == [h3.str_to_int(HOME)] * K_ANONYMITY
    assert cells[-2:].tolist() == [0, 0]
    siblings = sorted(h3.cell_to_children(h3.cell_to_parent(HOME, 6), 7))[:K_ANONYMITY]
    assert {int(cell) for cell in generalize_location(list(siblings))} == {h3.str_to_int(h3.cell_to_parent(HOME, 6))}


def test_planted_communities_are_detected_and_plotted() -> None:
    communities = detect_communities(community_graph(), seed=SEED)
    assert COMMUNITIES - 2 <= len(communities.members) <= COMMUNITIES + 2
    assert communities.modularity > 0.5
    assert len(plot_communities(communities, seed=SEED).axes) == 2
    assert detect_communities(social_graph_of(users=("ada",)), seed=SEED).members == ()
