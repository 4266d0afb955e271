"""The graph filter, the sequence model, and the command that measures them with the trainer."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp
import torch
from numpy.polynomial import chebyshev

from models.benchmarks import __main__ as command
from models.benchmarks.graph_filter import FilterParameters, GraphFilter, plateau_coefficients, select_parameters
from models.benchmarks.loaders import Benchmark, s3rec
from models.benchmarks.rankings import Method, run_sequence
from models.benchmarks.sequence_model import Examples, SequenceHyperparameters, SequenceModel, padded

PARAMETERS = FilterParameters(degree=5, flatness=2.0, vectors=3, low_pass=0.3, damping=0.4)
CYCLE = 12


def interactions(seed: int = 4) -> sp.csr_matrix:
    """Return the weighted interactions of 30 users with 12 items; nobody has the last item."""
    taken = np.random.default_rng(seed).random((30, 12)) < 0.3
    taken[:, 0], taken[:, -1] = True, False
    return sp.csr_matrix(taken.astype(np.float32) * 2.5)


def every_item_alone(graph: GraphFilter) -> npt.NDArray[np.floating]:
    """Return the scores of a user of the first item, of the second, and so on."""
    return graph.scores(sp.identity(len(graph.counts), format="csr", dtype=np.float32))


def test_filter_equals_the_dense_computation() -> None:
    taken = (interactions().toarray() > 0).astype(np.float64)
    of_items = np.maximum(taken.sum(axis=0), 1)
    normalized = taken / np.sqrt(taken.sum(axis=1))[:, None] / np.sqrt(of_items)
    values, vectors = np.linalg.eigh(np.eye(12) - normalized.T @ normalized)
    filtered = vectors @ np.diag(chebyshev.chebval(2 * values - 1, plateau_coefficients(5, flatness=2.0))) @ vectors.T
    first = np.linalg.svd(normalized)[2][:3]
    dense = (taken / of_items**0.4) @ (filtered + 0.3 * first.T @ first) * of_items**0.4
    graph = GraphFilter.build(interactions(), parameters=PARAMETERS, seed=1)
    np.testing.assert_allclose(graph.scores(interactions()), dense, atol=2e-5)


def test_plateau_falls_from_one_to_zero() -> None:
    ends = chebyshev.chebval(np.array([-1.0, 0.0, 1.0]), plateau_coefficients(7, flatness=1.5))
    np.testing.assert_allclose(ends, [1.0, 0.5, 0.0], atol=0.01)


def test_filter_is_symmetric_and_a_sum_over_items() -> None:
    graph = GraphFilter.build(interactions(), parameters=replace(PARAMETERS, damping=0.0), seed=1)
    each = every_item_alone(graph)
    np.testing.assert_allclose(each, each.T, atol=1e-5)
    damped = graph.with_parameters(PARAMETERS)
    of_each = (interactions().toarray() > 0) @ every_item_alone(damped)
    np.testing.assert_allclose(damped.scores(interactions()), of_each, atol=1e-4)


def test_items_of_nobody_score_zero_and_change_nothing() -> None:
    whole = GraphFilter.build(interactions(), parameters=PARAMETERS, seed=1).scores(interactions())
    assert np.abs(whole[:, -1]).max() < 1e-6
    without = interactions()[:, :-1]
    scores = GraphFilter.build(without, parameters=PARAMETERS, seed=1).scores(without)
    np.testing.assert_allclose(whole[:, :-1], scores, atol=1e-4)


def write_cycle(folder: Path) -> Path:
    """Write sequences in which each item is followed by the next of twelve."""
    path = folder / "s3rec-amazon-yelp" / "Beauty.txt.gz"
    path.parent.mkdir()
    lines = [
        " ".join([str(user), *(str(1 + (user * 5 + place) % CYCLE) for place in range(5 + user % 4))])
        for user in range(1, 97)
    ]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return folder


@pytest.fixture(scope="module")
def cycle(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return s3rec(write_cycle(tmp_path_factory.mktemp("cycle")), name="Beauty", published=())


def test_parameters_are_selected_without_the_test_side(cycle: Benchmark) -> None:
    def select(benchmark: Benchmark) -> FilterParameters:
        return select_parameters(benchmark.split, protocol=benchmark.validation, k=2, seed=1, progress=lambda _: None)

    other = replace(cycle, split=replace(cycle.split, test=cycle.split.test.head(1)))
    assert select(cycle) == select(other)


def test_later_acts_change_no_earlier_state() -> None:
    torch.manual_seed(1)
    model = SequenceModel(20, SequenceHyperparameters(width=8, layers=2, heads=2)).eval()
    one, other = torch.tensor([[0, 3, 7, 2, 9]]), torch.tensor([[0, 3, 7, 2, 11]])
    with torch.inference_mode():
        states, changed = model.states(one), model.states(other)
        torch.testing.assert_close(states[:, 1:4], changed[:, 1:4])
        assert not torch.allclose(states[:, 4], changed[:, 4])
        torch.testing.assert_close(model(one), states[:, -1])
        torch.testing.assert_close(model(one), model(torch.cat((torch.zeros(1, 6, dtype=torch.int64), one), dim=1)))


def test_examples_end_before_the_item_to_predict() -> None:
    histories = [np.array([5, 6, 7, 8]), np.array([9]), np.array([4, 3])]
    examples = Examples.of(histories, length=2)
    sequences, following = examples.batch(np.arange(4))
    assert sequences.tolist() == [[0, 5], [5, 6], [6, 7], [0, 4]]
    assert following.tolist() == [6, 7, 8, 3]
    assert padded(histories, length=3).tolist() == [[6, 7, 8], [0, 0, 9], [0, 4, 3]]
    batches = examples.epoch(batch=3, generator=np.random.default_rng(1))
    assert sorted(np.concatenate(batches)) == [0, 1, 2, 3]


def test_sequence_model_learns_a_cycle(cycle: Benchmark) -> None:
    small = SequenceHyperparameters(width=16, dropout=0.1, learning_rate=0.02, batch=32, epochs=6)
    told: list[str] = []
    rankings = run_sequence(replace(cycle, k=1), told.append, seeds=2, hyperparameters=small)
    assert [ranking.name for ranking in rankings][-1] == "sequence, mean of seeds"
    assert rankings[-1].metrics.hit.mean() > 0.95
    assert len(told) == 2 * (small.epochs + 1)


def test_command_prints_methods_and_published_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    command.main("s3rec-beauty", data=write_cycle(tmp_path))
    printed = capsys.readouterr().out
    for text in ("popularity all time", "this trainer", "graph filter", "sequence, seed", "S3-Rec", "peak memory"):
        assert text in printed
    assert "graph filter minus this trainer: recall" in printed


def test_command_refuses_a_sequence_without_order(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("user_id,item_id\n" + "\n".join(f"u{n % 9},i{n % 7}" for n in range(60)), encoding="utf-8")
    with pytest.raises(SystemExit, match="no order of acts"):
        command.main("own-interactions", data=path, method=[Method.SEQUENCE])
