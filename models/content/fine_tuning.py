"""Fine-tuning of the encoder for one task with LoRA adapters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import log2
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from models.content.adapter import Adapter
from models.content.data import IntArray, LabeledTexts
from models.content.encoder import DIMENSIONS, FloatArray, normalized, tokenize
from models.content.export import encoder_with
from models.content.mention_replacement import MentionReplacer
from models.content.word_shapes import SHAPES, shapes_of

IGNORED_LABEL = -100
"""Label of a token that the loss ignores."""
_TARGETS = ["query", "key", "value", "dense"]
_BLOCK = 16
_ONE_EPOCH_EXAMPLES, _EPOCHS_PER_HALVING, _MAX_EPOCHS = 16_384, 0.7, 10
# Mention replacement makes repeated texts distinct.
_EPOCHS_FACTOR_WITH_REPLACEMENT = 2
# With fewer examples per class, the head is initialized at the class means instead of randomly.
_FEW_EXAMPLES, _MEAN_OF, _FIRST_LOGITS = 1_024, 128, 3.0
# Parameters without pretraining have a higher learning rate.
_SHAPES_RATE, _SHAPES_DEVIATION = 10.0, 0.02

Progress = Callable[[int, int], None]
"""Callback with the number of processed texts, and of texts to process."""


@dataclass(frozen=True)
class FineTuningConfig:
    """Hyperparameters; the defaults were selected on held-out parts of several data sets."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.1
    learning_rate: float = 5e-4
    batch: int = 32
    epochs: int = 0
    """Number of epochs; 0 for ``epochs_for`` the number of examples per class."""
    max_tokens: int = 64
    warm_up: float = 0.1


def epochs_for(examples_a_class: float) -> int:
    """Return the number of epochs: 1 for 16,384 examples per class, and more for fewer.

    A linear fit to the epochs that were selected individually for eight data sets of 130 to 16,600 examples per class.
    """
    return round(
        min(_MAX_EPOCHS, max(1.0, 1 + _EPOCHS_PER_HALVING * log2(_ONE_EPOCH_EXAMPLES / max(examples_a_class, 1))))
    )


def _with_epochs(config: FineTuningConfig, examples_a_class: float, *, times: int = 1) -> FineTuningConfig:
    return config if config.epochs else replace(config, epochs=times * epochs_for(examples_a_class))


class FineTunedModel(nn.Module):
    """Encoder with adapters and a linear head on the mean token vector, or on each token vector."""

    def __init__(self, classes: int, *, config: FineTuningConfig, by_token: bool) -> None:
        """Load the encoder and add untrained adapters."""
        super().__init__()
        encoder = encoder_with(None)
        adapters = LoraConfig(
            r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules=_TARGETS
        )
        self.encoder = get_peft_model(encoder, adapters)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(DIMENSIONS, classes)
        self.by_token = by_token
        self.shapes: nn.Embedding | None = None
        if by_token:
            self.shapes = nn.Embedding(len(SHAPES), DIMENSIONS, padding_idx=0)
            nn.init.normal_(self.shapes.weight, std=_SHAPES_DEVIATION)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, shapes: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits, (n, classes) or (n, t, classes); ``shapes`` for token classifiers."""
        logits: torch.Tensor = self.head(self.dropout(self.hidden(ids, mask, shapes)))
        return logits

    def hidden(self, ids: torch.Tensor, mask: torch.Tensor, shapes: torch.Tensor | None = None) -> torch.Tensor:
        """Return the input of the head, (n, d) or (n, t, d)."""
        words = self.encoder.get_input_embeddings()(ids)
        if self.shapes is not None:
            words = words + self.shapes(shapes)
        hidden: torch.Tensor = self.encoder(inputs_embeds=words, attention_mask=mask).last_hidden_state
        if self.by_token:
            return hidden
        weights = mask.unsqueeze(-1).float()
        return (hidden * weights).sum(1) / weights.sum(1)

    @torch.no_grad()
    def initialize_at(self, adapter: Adapter) -> None:
        """Initialize adapters and head with those of an adapter of the same rank, scale and classes."""
        state = self.encoder.state_dict()
        for name, value in state.items():
            for mark, place in ((".lora_A.", 0), (".lora_B.", 1)):
                if mark in name:
                    value.copy_(torch.from_numpy(adapter.matrices[_matrix_name(name, mark)][place]))
        self.head.weight.copy_(torch.from_numpy(adapter.head))
        self.head.bias.copy_(torch.from_numpy(adapter.bias))

    @torch.no_grad()
    def initialize_at_means(self, vectors: torch.Tensor, labels: torch.Tensor) -> None:
        """Initialize the head as a nearest-centroid classifier of (n, d) vectors with (n,) classes."""
        middle = vectors.mean(0)
        groups = [vectors[labels == place] for place in range(self.head.out_features)]
        means = torch.stack([(group.mean(0) - middle) if len(group) else torch.zeros_like(middle) for group in groups])
        scale = _FIRST_LOGITS / ((vectors - middle) @ means.T).std().clamp_min(1e-6)
        self.head.weight.copy_(scale * means)
        self.head.bias.copy_(-scale * (means @ middle + (means**2).sum(1) / 2))


def fine_tune(
    task: str,
    data: LabeledTexts,
    *,
    config: FineTuningConfig,
    seed: int,
    progress: Progress | None = None,
) -> Adapter:
    """Fine-tune a text classifier; deterministic for the same data, configuration and seed."""
    examples_a_class = len(data) / len(data.classes)
    config = _with_epochs(config, examples_a_class)
    loss = nn.CrossEntropyLoss()
    labels = torch.from_numpy(data.labels)

    def inputs(rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = tokenize([normalized(data.texts[row]) for row in rows], max_tokens=config.max_tokens)
        return torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)

    def batch_loss(model: FineTunedModel, rows: Sequence[int]) -> torch.Tensor:
        found: torch.Tensor = loss(model(*inputs(rows)), labels[list(rows)])
        return found

    def begin(model: FineTunedModel) -> None:
        if examples_a_class >= _FEW_EXAMPLES:
            return
        rows = [row for place in range(len(data.classes)) for row in np.flatnonzero(data.labels == place)[:_MEAN_OF]]
        with torch.no_grad():
            batches = [rows[start : start + _MEAN_OF] for start in range(0, len(rows), _MEAN_OF)]
            vectors = torch.cat([model.hidden(*inputs(batch)) for batch in batches])
        model.initialize_at_means(vectors, labels[rows])

    model = _trained(
        data.texts,
        len(data.classes),
        batch_loss,
        begin=begin,
        config=config,
        seed=seed,
        by_token=False,
        progress=progress,
    )
    return _adapter(task, data.classes, model, config=config)


def fine_tune_multi_label(
    task: str,
    texts: Sequence[str],
    targets: FloatArray,
    *,
    classes: Sequence[str],
    config: FineTuningConfig,
    seed: int,
    start: Adapter | None = None,
    progress: Progress | None = None,
) -> Adapter:
    """Fine-tune a classifier with a probability of its own for each class; deterministic as ``fine_tune``.

    Args:
        task: name of the task.
        texts: n texts.
        targets: (n, classes) from 0 to 1; NaN where it is unknown, which the loss ignores.
        classes: names of the classes.
        config: hyperparameters.
        seed: random seed.
        start: adapter to continue from, of the same rank, scale and classes; None for untrained ones.
        progress: callback for progress.
    """
    config = _with_epochs(config, len(texts) / 2)
    known = torch.from_numpy(~np.isnan(targets)).float()
    wanted = torch.from_numpy(np.nan_to_num(targets).astype(np.float32))
    loss = nn.BCEWithLogitsLoss(reduction="none")

    def batch_loss(model: FineTunedModel, rows: Sequence[int]) -> torch.Tensor:
        tokens = tokenize([normalized(texts[row]) for row in rows], max_tokens=config.max_tokens)
        logits = model(torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask))
        found: torch.Tensor = (loss(logits, wanted[list(rows)]) * known[list(rows)]).sum() / len(rows)
        return found

    def begin(model: FineTunedModel) -> None:
        if start is not None:
            model.initialize_at(start)

    model = _trained(
        texts, len(classes), batch_loss, begin=begin, config=config, seed=seed, by_token=False, progress=progress
    )
    return replace(_adapter(task, classes, model, config=config), multi_label=True)


def fine_tune_tokens(
    task: str,
    texts: Sequence[str],
    spans: Sequence[Sequence[tuple[int, int, str]]],
    *,
    classes: Sequence[str],
    config: FineTuningConfig,
    seed: int,
    progress: Progress | None = None,
) -> Adapter:
    """Fine-tune a token classifier (BIO labels) of spans (begin, end, class), with mention replacement.

    Args:
        task: name of the task.
        texts: n texts.
        spans: labeled spans of each text.
        classes: classes of the spans.
        config: hyperparameters.
        seed: random seed.
        progress: callback for progress.
    """
    config = _with_epochs(config, sum(map(len, spans)) / len(classes), times=_EPOCHS_FACTOR_WITH_REPLACEMENT)
    outputs = bio(classes)
    position = {name: place for place, name in enumerate(outputs)}
    loss = nn.CrossEntropyLoss(ignore_index=IGNORED_LABEL)
    replacer = MentionReplacer(texts, spans, seed=seed)

    def batch_loss(model: FineTunedModel, rows: Sequence[int]) -> torch.Tensor:
        batch, marked = zip(*(replacer.replace(texts[row], spans[row]) for row in rows), strict=True)
        tokens = tokenize(list(batch), max_tokens=config.max_tokens)
        labels = np.stack(
            [token_labels(places, names, position) for places, names in zip(tokens.spans, marked, strict=True)]
        )
        logits = model(*map(torch.from_numpy, (tokens.ids, tokens.mask, shapes_of(batch, tokens))))
        found: torch.Tensor = loss(logits.flatten(0, 1), torch.from_numpy(labels).flatten())
        return found

    model = _trained(texts, len(outputs), batch_loss, config=config, seed=seed, by_token=True, progress=progress)
    return _adapter(task, outputs, model, config=config)


def bio(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the BIO labels: outside, and begin and inside of each class."""
    return ("O", *(f"{mark}-{name}" for name in classes for mark in "BI"))


def token_labels(
    places: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int, str]], position: dict[str, int]
) -> IntArray:
    """Return the label of each token; special tokens are ignored by the loss."""
    labels = np.full(len(places), IGNORED_LABEL, dtype=np.int64)
    for row, (begin, end) in enumerate(places):
        if begin == end:
            continue
        span = next(((first, last, name) for first, last, name in spans if first <= begin < last), None)
        if span is None:
            labels[row] = position["O"]
        else:
            labels[row] = position[f"{'B' if begin == span[0] else 'I'}-{span[2]}"]
    return labels


def _trained(
    texts: Sequence[str],
    classes: int,
    batch_loss: Callable[[FineTunedModel, Sequence[int]], torch.Tensor],
    *,
    begin: Callable[[FineTunedModel], None] = lambda _model: None,
    config: FineTuningConfig,
    seed: int,
    by_token: bool,
    progress: Progress | None,
) -> FineTunedModel:
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    model = FineTunedModel(classes, config=config, by_token=by_token).eval()
    begin(model)
    adapted = [one for one in (*model.encoder.parameters(), *model.head.parameters()) if one.requires_grad]
    groups: list[dict[str, Any]] = [{"params": adapted}]
    if model.shapes is not None:
        groups.append({"params": [model.shapes.weight], "lr": _SHAPES_RATE * config.learning_rate})
    parameters = [one for group in groups for one in group["params"]]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=0.01)
    batches = [rows for _ in range(config.epochs) for rows in _batches(texts, config.batch, generator)]
    warm = max(1, int(config.warm_up * len(batches)))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.0, (len(batches) - step) / max(1, len(batches) - warm)))
    )
    model.train()
    seen = 0
    for rows in batches:
        optimizer.zero_grad()
        batch_loss(model, rows).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        seen += len(rows)
        if progress is not None:
            progress(seen, config.epochs * len(texts))
    return model.eval()


def _batches(texts: Sequence[str], size: int, generator: np.random.Generator) -> list[list[int]]:
    """Return batches of texts of similar length, which need the least padding, in random order."""
    order = generator.permutation(len(texts))
    batches: list[list[int]] = []
    for start in range(0, len(order), size * _BLOCK):
        block = sorted(order[start : start + size * _BLOCK].tolist(), key=lambda row: len(texts[row]))
        batches += [block[place : place + size] for place in range(0, len(block), size)]
    return [batches[place] for place in generator.permutation(len(batches))]


def _matrix_name(name: str, mark: str) -> str:
    """Return the encoder's name of the weight that a low-rank matrix of the model changes."""
    return name.removeprefix("base_model.model.").replace(f"{mark}default.weight", ".weight")


def _adapter(task: str, classes: Sequence[str], model: FineTunedModel, *, config: FineTuningConfig) -> Adapter:
    state = {name: value.detach().numpy().astype(np.float32) for name, value in model.encoder.state_dict().items()}
    downs = {name: value for name, value in state.items() if ".lora_A." in name}
    matrices = {
        _matrix_name(name, ".lora_A."): (
            down,
            state[name.replace(".lora_A.", ".lora_B.")],
        )
        for name, down in downs.items()
    }
    return Adapter(
        task=task,
        classes=tuple(classes),
        by_token=model.by_token,
        scale=config.alpha / config.rank,
        matrices=matrices,
        head=model.head.weight.detach().numpy(),
        bias=model.head.bias.detach().numpy(),
        shapes=None if model.shapes is None else model.shapes.weight.detach().numpy(),
        card={"settings": vars(config).copy()},
    )
