"""Metrics and intervals equal what one gets by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp

from models.recommendation.gate import decide, over_all_items, paired_differences
from models.recommendation.ranking_metrics import bootstrap, evaluate


def matrix(rows: list[list[int]]) -> sp.csr_matrix:
    return sp.csr_matrix(np.array(rows, dtype=np.float32))


def test_metrics_equal_those_counted_by_hand() -> None:
    scores = np.array([[0.9, 0.8, 0.7, 0.6, 0.5], [0.1, 0.2, 0.3, 0.4, 0.5]], dtype=np.float32)
    seen = matrix([[1, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    held_out = matrix([[0, 1, 0, 1, 1], [1, 0, 0, 1, 0]])

    found = evaluate(lambda users: scores[users], seen=seen, held_out=held_out, k=2)

    # The first person sees items 1 and 2: one of three is right, in first place of an ideal two.
    # The second sees 4 and 3: one of two is right, in second place.
    ideal = 1 + 1 / math.log2(3)
    assert found.recall.tolist() == pytest.approx([1 / 3, 1 / 2])
    assert found.ndcg.tolist() == pytest.approx([1 / ideal, (1 / math.log2(3)) / ideal])
    assert found.hit.tolist() == [1, 1]
    assert found.coverage == pytest.approx(4 / 5)


def test_people_without_held_out_items_are_not_judged() -> None:
    scores = np.ones((2, 3), dtype=np.float32)

    found = evaluate(lambda users: scores[users], seen=matrix([[0] * 3] * 2), held_out=matrix([[0] * 3, [0, 0, 1]]))

    assert found.users.tolist() == [1]


def test_a_seen_item_is_never_ranked() -> None:
    scores = np.array([[5.0, 1.0]], dtype=np.float32)

    found = evaluate(lambda users: scores[users], seen=matrix([[1, 0]]), held_out=matrix([[0, 1]]), k=1)

    assert found.recall.tolist() == [1.0]


def test_the_bootstrap_interval_has_the_mean_and_narrows() -> None:
    generator = np.random.default_rng(3)
    few, many = generator.random(50), generator.random(5_000)

    narrow, wide = bootstrap(many, seed=0), bootstrap(few, seed=0)

    assert wide.low < wide.mean < wide.high
    assert narrow.high - narrow.low < (wide.high - wide.low) / 5
    # 1.96 standard errors of a uniform variable each side.
    assert narrow.high - narrow.low == pytest.approx(2 * 1.96 * math.sqrt(1 / 12 / 5_000), rel=0.15)


def test_gate_passes_significant_gains_only() -> None:
    held_out = sp.csr_matrix(np.tile(np.eye(40, dtype=np.float32), (5, 1)))
    seen = sp.csr_matrix(held_out.shape, dtype=np.float32)
    noise = np.random.default_rng(0).random((2, *held_out.shape)).astype(np.float32)
    right = noise[0] + held_out.toarray()

    by_chance, also_by_chance, better = (
        evaluate(lambda users, scores=scores: scores[users], seen=seen, held_out=held_out)
        for scores in (noise[0], noise[1], right)
    )

    assert decide(better, baseline=by_chance, over_champion={}, seed=0).passed
    assert not decide(also_by_chance, baseline=by_chance, over_champion={}, seed=0).passed
    assert not decide(by_chance, baseline=by_chance, over_champion={}, seed=0).passed


def test_gate_accepts_a_tie_and_refuses_a_significant_loss() -> None:
    held_out = sp.csr_matrix(np.tile(np.eye(40, dtype=np.float32), (5, 1)))
    seen = sp.csr_matrix(held_out.shape, dtype=np.float32)
    noise = np.random.default_rng(0).random(held_out.shape).astype(np.float32)

    by_chance, good, best = (
        evaluate(lambda users, scores=scores: scores[users], seen=seen, held_out=held_out, k=5)
        for scores in (noise, noise + 0.4 * held_out.toarray(), noise + held_out.toarray())
    )

    tie, loss = (paired_differences(over_all_items(good), over_all_items(other), seed=0) for other in (good, best))
    assert decide(good, baseline=by_chance, over_champion=tie, seed=0).passed
    assert not decide(good, baseline=by_chance, over_champion=loss, seed=0).passed
