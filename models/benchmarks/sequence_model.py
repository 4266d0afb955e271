"""Next-item model of a user's sequence: a small causal transformer (SASRec; Kang and McAuley, ICDM 2018) in torch.

The original loss compares the next item with one random other item. Here it is the cross-entropy over all items, with
one training example per prefix of a sequence, as in the code of BSARec (Shin et al., AAAI 2024).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.recommendation.data import InteractionMatrix, LeaveLastOut, Split, positions
from models.recommendation.ranking_metrics import Scorer
from models.recommendation.scoring import FloatArray, IntArray

_VALIDATION_K = 10
_SCORING_ROWS = 512
# Lengths are sorted within groups of this many batches, so that padding is trimmed and batches still differ.
_BATCHES_A_GROUP = 40
_INITIAL_DEVIATION = 0.02
_WARM_UP = 0.1


@dataclass(frozen=True, slots=True)
class SequenceHyperparameters:
    """Hyperparameters of the network and its training; the learning rate rises to the given one and falls to zero."""

    width: int = 64
    layers: int = 1
    heads: int = 1
    length: int = 50
    dropout: float = 0.5
    learning_rate: float = 2e-3
    batch: int = 256
    epochs: int = 10


class _Block(nn.Module):
    """Causal self-attention and a feed-forward network, each with a residual connection and layer normalization."""

    def __init__(self, hyperparameters: SequenceHyperparameters) -> None:
        super().__init__()
        width = hyperparameters.width
        self._heads = hyperparameters.heads
        self._attention_dropout = hyperparameters.dropout
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.after_attention, self.after_network = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(hyperparameters.dropout)

    def forward(self, states: Tensor, visible: Tensor, *, last_only: bool) -> Tensor:
        """Return the next states: of the last position alone, or of all.

        Args:
            states: (n, length, width).
            visible: (n, 1, length, length), whether a position (third axis) may see another (fourth).
            last_only: whether only the last position is computed.
        """
        asking = states[:, -1:] if last_only else states
        seen = visible[:, :, -1:] if last_only else visible
        attended = functional.scaled_dot_product_attention(
            self._split(self.query(asking)),
            self._split(self.key(states)),
            self._split(self.value(states)),
            attn_mask=seen,
            dropout_p=self._attention_dropout if self.training else 0.0,
        )
        merged = attended.transpose(1, 2).reshape(asking.shape)
        asking = self.after_attention(asking + self.dropout(self.output(merged)))
        widened = functional.gelu(self.widen(asking))
        normalized: Tensor = self.after_network(asking + self.dropout(self.narrow(widened)))
        return normalized

    def _split(self, states: Tensor) -> Tensor:
        rows, length, width = states.shape
        return states.view(rows, length, self._heads, width // self._heads).transpose(1, 2)


class SequenceModel(nn.Module):
    """Network from the items of a sequence to a vector, whose product with an item's embedding is the item's score.

    Items are numbered from one; zero is padding, on the left. The position of an item is its distance from the end.
    """

    def __init__(self, items: int, hyperparameters: SequenceHyperparameters) -> None:
        super().__init__()
        width = hyperparameters.width
        self.items = nn.Embedding(items + 1, width, padding_idx=0)
        self.distances = nn.Embedding(hyperparameters.length, width)
        self.normalize, self.dropout = nn.LayerNorm(width), nn.Dropout(hyperparameters.dropout)
        self.blocks = nn.ModuleList(_Block(hyperparameters) for _ in range(hyperparameters.layers))
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=_INITIAL_DEVIATION)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, sequences: Tensor) -> Tensor:
        """Return the (n, width) vectors at the end of (n, length) sequences."""
        states: Tensor = self._run(sequences, last_only=True)[:, -1]
        return states

    def states(self, sequences: Tensor) -> Tensor:
        """Return the (n, length, width) vectors at every position; each depends on items up to its position only."""
        return self._run(sequences, last_only=False)

    def scores(self, vectors: Tensor) -> Tensor:
        """Return the (n, items) scores, without padding."""
        scores: Tensor = vectors @ self.items.weight[1:].T
        return scores

    def training_scores(self, sequences: Tensor) -> Tensor:
        """Return the scores of the items after each sequence, multiplied in bfloat16, which takes half the time."""
        products: Tensor = self(sequences).bfloat16() @ self.items.weight[1:].bfloat16().T
        return products.float()

    def _run(self, sequences: Tensor, *, last_only: bool) -> Tensor:
        length = sequences.shape[1]
        summed = self.items(sequences) + self.distances.weight[:length].flip(0)
        states: Tensor = self.dropout(self.normalize(summed))
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        # Padding sees itself: a row without any visible position would have no attention weights.
        visible = (causal & (sequences > 0)[:, None, :] | torch.eye(length, dtype=torch.bool))[:, None]
        for number, block in enumerate(self.blocks, start=1):
            states = block(states, visible, last_only=last_only and number == len(self.blocks))
        return states


@dataclass(frozen=True)
class Examples:
    """Prefixes of sequences with the item that follows each, all as numbers from one.

    Attributes:
        sequences: items of all sequences, one after another.
        starts: place of the first item of each prefix, at most ``length`` before its end.
        ends: place after the last item of each prefix, which is the place of the next item.
    """

    sequences: IntArray
    starts: IntArray
    ends: IntArray

    @classmethod
    def of(cls, histories: list[IntArray], *, length: int) -> Examples:
        """Return an example for every item of every history but the first."""
        sizes = np.array([len(history) for history in histories], dtype=np.int64)
        offsets = np.concatenate(([0], np.cumsum(sizes)))[:-1]
        sequences = np.concatenate(histories) if histories else np.empty(0, dtype=np.int64)
        first = np.repeat(offsets, sizes)
        ends = np.arange(len(sequences))
        follows = ends > first
        return cls(sequences, np.maximum(first, ends - length)[follows], ends[follows])

    def batch(self, rows: IntArray) -> tuple[Tensor, Tensor]:
        """Return the padded (n, longest) prefixes of ``rows`` and the (n,) next items."""
        starts, ends = self.starts[rows], self.ends[rows]
        places = ends[:, None] - np.arange(int((ends - starts).max()), 0, -1)
        padded = np.where(places >= starts[:, None], self.sequences[np.maximum(places, 0)], 0)
        return torch.from_numpy(padded), torch.from_numpy(self.sequences[ends])

    def epoch(self, *, batch: int, generator: np.random.Generator) -> list[IntArray]:
        """Return the rows of each batch of one epoch: all rows in random order, of similar length within a batch."""
        order = generator.permutation(len(self.ends))
        batches: list[IntArray] = []
        for start in range(0, len(order), batch * _BATCHES_A_GROUP):
            group = order[start : start + batch * _BATCHES_A_GROUP]
            group = group[np.argsort((self.ends - self.starts)[group], kind="stable")]
            batches += [group[place : place + batch] for place in range(0, len(group), batch)]
        generator.shuffle(batches)
        return batches


@dataclass(frozen=True)
class FittedSequenceModel:
    """Trained model, with its epoch and the validation ndcg@10 that the epoch was selected by."""

    model: SequenceModel
    length: int
    epoch: int
    validation_ndcg: float

    def scorer(self, histories: list[IntArray]) -> Scorer:
        """Return the scorer of the items that follow each user's history (numbers from one)."""

        def scores(users: IntArray) -> FloatArray:
            return np.concatenate(
                [
                    self._scores([histories[user] for user in users[start : start + _SCORING_ROWS]])
                    for start in range(0, len(users), _SCORING_ROWS)
                ]
            )

        return scores

    def _scores(self, histories: list[IntArray]) -> FloatArray:
        self.model.eval()
        with torch.inference_mode():
            scores: FloatArray = self.model.scores(self.model(padded(histories, length=self.length))).numpy()
        return scores


def padded(histories: list[IntArray], *, length: int) -> Tensor:
    """Return the last ``length`` items of each history, with zeros on the left of shorter ones."""
    longest = max(1, min(length, max(len(history) for history in histories)))
    rows = np.zeros((len(histories), longest), dtype=np.int64)
    for row, history in zip(rows, histories, strict=True):
        kept = history[-longest:]
        row[longest - len(kept) :] = kept
    return torch.from_numpy(rows)


def histories_of(interactions: pl.DataFrame, *, matrix: InteractionMatrix) -> list[IntArray]:
    """Return the items of each user of ``matrix`` in order of time, numbered by column from one."""
    ordered = interactions.sort("occurred_at", maintain_order=True)
    users = positions(ordered["user_id"], among=pl.Series(matrix.user_ids))
    items = positions(ordered["item_id"], among=pl.Series(matrix.item_ids)) + 1
    by_user = np.argsort(users, kind="stable")
    ends = np.cumsum(np.bincount(users, minlength=len(matrix.user_ids)))[:-1]
    return np.split(items[by_user], ends)


def fit(
    split: Split,
    *,
    seed: int,
    progress: Callable[[str], None],
    hyperparameters: SequenceHyperparameters | None = None,
) -> FittedSequenceModel:
    """Train on ``split.train`` without the last item of each user, by which the best epoch is selected.

    The test side is not read. The same seed gives the same model on the same machine and number of threads.
    """
    chosen = hyperparameters or SequenceHyperparameters()
    matrix = split.matrix
    validation = LeaveLastOut().split(split.train)
    known, held_out = histories_of(validation.train, matrix=matrix), matrix.encode(validation.test)
    best: FittedSequenceModel | None = None
    for epoch, (model, loss) in enumerate(_epochs(known, len(matrix.item_ids), chosen=chosen, seed=seed), start=1):
        ndcg = _validation_ndcg(model, known, held_out=held_out, length=chosen.length)
        progress(f"epoch {epoch}: loss {loss:.4f}, validation ndcg@{_VALIDATION_K} {ndcg:.4f}")
        if best is None or ndcg > best.validation_ndcg:
            best = FittedSequenceModel(copy.deepcopy(model), chosen.length, epoch, ndcg)
    if best is None:
        raise ValueError("the hyperparameters have no epoch")
    return best


def _epochs(
    histories: list[IntArray], items: int, *, chosen: SequenceHyperparameters, seed: int
) -> Iterator[tuple[SequenceModel, float]]:
    """Train a model, and return it after each epoch with the mean loss."""
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    examples = Examples.of(histories, length=chosen.length)
    model = SequenceModel(items, chosen)
    optimizer = torch.optim.Adam(model.parameters(), lr=chosen.learning_rate, fused=True)
    steps = chosen.epochs * math.ceil(len(examples.ends) / chosen.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, chosen.learning_rate, total_steps=steps, pct_start=_WARM_UP, cycle_momentum=False
    )
    for _ in range(chosen.epochs):
        model.train()
        total = 0.0
        for rows in examples.epoch(batch=chosen.batch, generator=generator):
            sequences, following = examples.batch(rows)
            loss = functional.cross_entropy(model.training_scores(sequences), following - 1)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(rows)
        yield model, total / len(examples.ends)


def _validation_ndcg(model: SequenceModel, histories: list[IntArray], *, held_out: sp.csr_matrix, length: int) -> float:
    """Return ndcg@10 of the one held-out item of each user, among all items that are not in the user's history."""
    model.eval()
    users = np.flatnonzero(np.diff(held_out.indptr))
    ranks = np.empty(len(users), dtype=np.int64)
    with torch.inference_mode():
        for start in range(0, len(users), _SCORING_ROWS):
            part = users[start : start + _SCORING_ROWS]
            own = [histories[user] for user in part]
            scores = model.scores(model(padded(own, length=length)))
            rows = np.repeat(np.arange(len(part)), [len(history) for history in own])
            target = scores[np.arange(len(part)), held_out.indices[held_out.indptr[part]]].clone()
            scores[rows, np.concatenate(own) - 1] = -math.inf
            ranks[start : start + len(part)] = (scores > target[:, None]).sum(dim=1).numpy()
    return float(np.where(ranks < _VALIDATION_K, 1.0 / np.log2(ranks + 2.0), 0.0).mean())
