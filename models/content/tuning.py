"""Fine-tunes the encoder for one task with small adapters; knows no data set."""

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
from models.content.data import IntArray, LabelledTexts
from models.content.encoder import DIMENSIONS, normalised, tokenize
from models.content.export import encoder_with
from models.content.shapes import SHAPES, shapes_of
from models.content.swapping import Swaps

IGNORED = -100
"""The label of a token that is not to be learnt from."""
_TARGETS = ["query", "key", "value", "dense"]
_BLOCK = 16
_SEEN_ONCE, _MORE_EPOCHS, _MOST_EPOCHS = 16_384, 0.7, 10
# With other names in it a text is another one.
_OFTENER_WITH_SWAPS = 2
# Where a class has fewer examples, chance does not choose where its head begins.
_FEW_EXAMPLES, _MEAN_OF, _FIRST_LOGITS = 1_024, 128, 3.0
# What is learnt from nothing learns faster than what is only changed.
_SHAPES_RATE, _SHAPES_DEVIATION = 10.0, 0.02

Progress = Callable[[int, int], None]
"""Called with how many texts were seen, and how many will be."""


@dataclass(frozen=True)
class Settings:
    """How a task is learnt; the defaults are those that were best on held-out parts of several sets."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.1
    learning_rate: float = 5e-4
    batch: int = 32
    epochs: int = 0
    """How often each text is seen; 0: by how many examples of a class there are, see ``epochs_for``."""
    max_tokens: int = 64
    warm_up: float = 0.1


def epochs_for(examples_a_class: float) -> int:
    """Return how often to see each text: once where a class has 16,384 examples, oftener the fewer there are.

    A line through what had been chosen for eight sets of 130 to 16,600 examples a class, one by one.
    """
    return round(min(_MOST_EPOCHS, max(1.0, 1 + _MORE_EPOCHS * log2(_SEEN_ONCE / max(examples_a_class, 1)))))


def _settled(settings: Settings, examples_a_class: float, *, times: int = 1) -> Settings:
    return settings if settings.epochs else replace(settings, epochs=times * epochs_for(examples_a_class))


class Tuned(nn.Module):
    """The encoder with adapters and a head on the mean of its tokens, or on each of them."""

    def __init__(self, classes: int, *, settings: Settings, by_token: bool) -> None:
        """Load the encoder and put untrained adapters in."""
        super().__init__()
        encoder = encoder_with(None)
        config = LoraConfig(
            r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, target_modules=_TARGETS
        )
        self.encoder = get_peft_model(encoder, config)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(DIMENSIONS, classes)
        self.by_token = by_token
        self.shapes: nn.Embedding | None = None
        if by_token:
            self.shapes = nn.Embedding(len(SHAPES), DIMENSIONS, padding_idx=0)
            nn.init.normal_(self.shapes.weight, std=_SHAPES_DEVIATION)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, shapes: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits, (n, classes) or (n, t, classes); ``shapes`` where tokens are to be told apart."""
        logits: torch.Tensor = self.head(self.dropout(self.hidden(ids, mask, shapes)))
        return logits

    def hidden(self, ids: torch.Tensor, mask: torch.Tensor, shapes: torch.Tensor | None = None) -> torch.Tensor:
        """Return what the head is on, (n, d) or (n, t, d)."""
        words = self.encoder.get_input_embeddings()(ids)
        if self.shapes is not None:
            words = words + self.shapes(shapes)
        hidden: torch.Tensor = self.encoder(inputs_embeds=words, attention_mask=mask).last_hidden_state
        if self.by_token:
            return hidden
        weights = mask.unsqueeze(-1).float()
        return (hidden * weights).sum(1) / weights.sum(1)

    @torch.no_grad()
    def begin_at_means(self, vectors: torch.Tensor, labels: torch.Tensor) -> None:
        """Have the head choose the class whose mean is nearest, from (n, d) vectors of texts and their (n,) classes."""
        middle = vectors.mean(0)
        groups = [vectors[labels == place] for place in range(self.head.out_features)]
        means = torch.stack([(group.mean(0) - middle) if len(group) else torch.zeros_like(middle) for group in groups])
        scale = _FIRST_LOGITS / ((vectors - middle) @ means.T).std().clamp_min(1e-6)
        self.head.weight.copy_(scale * means)
        self.head.bias.copy_(-scale * (means @ middle + (means**2).sum(1) / 2))


def tune(
    task: str,
    data: LabelledTexts,
    *,
    settings: Settings,
    seed: int,
    progress: Progress | None = None,
) -> Adapter:
    """Learn to tell the classes of texts; the same data, settings and seed give the same adapter."""
    examples_a_class = len(data) / len(data.classes)
    settings = _settled(settings, examples_a_class)
    loss = nn.CrossEntropyLoss()
    labels = torch.from_numpy(data.labels)

    def inputs(rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = tokenize([normalised(data.texts[row]) for row in rows], max_tokens=settings.max_tokens)
        return torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)

    def batch_loss(model: Tuned, rows: Sequence[int]) -> torch.Tensor:
        found: torch.Tensor = loss(model(*inputs(rows)), labels[list(rows)])
        return found

    def begin(model: Tuned) -> None:
        if examples_a_class >= _FEW_EXAMPLES:
            return
        rows = [row for place in range(len(data.classes)) for row in np.flatnonzero(data.labels == place)[:_MEAN_OF]]
        with torch.no_grad():
            batches = [rows[start : start + _MEAN_OF] for start in range(0, len(rows), _MEAN_OF)]
            vectors = torch.cat([model.hidden(*inputs(batch)) for batch in batches])
        model.begin_at_means(vectors, labels[rows])

    model = _trained(
        data.texts,
        len(data.classes),
        batch_loss,
        begin=begin,
        settings=settings,
        seed=seed,
        by_token=False,
        progress=progress,
    )
    return _adapter(task, data.classes, model, settings=settings)


def tune_tokens(
    task: str,
    texts: Sequence[str],
    spans: Sequence[Sequence[tuple[int, int, str]]],
    *,
    classes: Sequence[str],
    settings: Settings,
    seed: int,
    progress: Progress | None = None,
) -> Adapter:
    """Learn to mark spans (begin, end, class) in texts, as BIO labels of tokens; names are exchanged meanwhile.

    Args:
        task: its name.
        texts: n texts.
        spans: what is to be found in each.
        classes: names of the spans' classes.
        settings: how.
        seed: of every draw.
        progress: is told how far it is.
    """
    settings = _settled(settings, sum(map(len, spans)) / len(classes), times=_OFTENER_WITH_SWAPS)
    outputs = bio(classes)
    position = {name: place for place, name in enumerate(outputs)}
    loss = nn.CrossEntropyLoss(ignore_index=IGNORED)
    swaps = Swaps(texts, spans, seed=seed)

    def batch_loss(model: Tuned, rows: Sequence[int]) -> torch.Tensor:
        batch, marked = zip(*(swaps.draw(texts[row], spans[row]) for row in rows), strict=True)
        tokens = tokenize(list(batch), max_tokens=settings.max_tokens)
        labels = np.stack(
            [token_labels(places, names, position) for places, names in zip(tokens.spans, marked, strict=True)]
        )
        logits = model(*map(torch.from_numpy, (tokens.ids, tokens.mask, shapes_of(batch, tokens))))
        found: torch.Tensor = loss(logits.flatten(0, 1), torch.from_numpy(labels).flatten())
        return found

    model = _trained(texts, len(outputs), batch_loss, settings=settings, seed=seed, by_token=True, progress=progress)
    return _adapter(task, outputs, model, settings=settings)


def bio(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of tokens: outside, and for each class its first token and the others."""
    return ("O", *(f"{mark}-{name}" for name in classes for mark in "BI"))


def token_labels(
    places: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int, str]], position: dict[str, int]
) -> IntArray:
    """Return the label of each token; those that stand for no characters are ignored."""
    labels = np.full(len(places), IGNORED, dtype=np.int64)
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
    batch_loss: Callable[[Tuned, Sequence[int]], torch.Tensor],
    *,
    begin: Callable[[Tuned], None] = lambda _model: None,
    settings: Settings,
    seed: int,
    by_token: bool,
    progress: Progress | None,
) -> Tuned:
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    model = Tuned(classes, settings=settings, by_token=by_token).eval()
    begin(model)
    adapted = [one for one in (*model.encoder.parameters(), *model.head.parameters()) if one.requires_grad]
    groups: list[dict[str, Any]] = [{"params": adapted}]
    if model.shapes is not None:
        groups.append({"params": [model.shapes.weight], "lr": _SHAPES_RATE * settings.learning_rate})
    parameters = [one for group in groups for one in group["params"]]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=0.01)
    batches = [rows for _ in range(settings.epochs) for rows in _batches(texts, settings.batch, generator)]
    warm = max(1, int(settings.warm_up * len(batches)))
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
            progress(seen, settings.epochs * len(texts))
    return model.eval()


def _batches(texts: Sequence[str], size: int, generator: np.random.Generator) -> list[list[int]]:
    """Return batches of texts of like length, which waste least on padding, in a drawn order."""
    order = generator.permutation(len(texts))
    batches: list[list[int]] = []
    for start in range(0, len(order), size * _BLOCK):
        block = sorted(order[start : start + size * _BLOCK].tolist(), key=lambda row: len(texts[row]))
        batches += [block[place : place + size] for place in range(0, len(block), size)]
    return [batches[place] for place in generator.permutation(len(batches))]


def _adapter(task: str, classes: Sequence[str], model: Tuned, *, settings: Settings) -> Adapter:
    state = {name: value.detach().numpy().astype(np.float32) for name, value in model.encoder.state_dict().items()}
    prefix = "base_model.model."
    downs = {name: value for name, value in state.items() if ".lora_A." in name}
    matrices = {
        name.removeprefix(prefix).replace(".lora_A.default.weight", ".weight"): (
            down,
            state[name.replace(".lora_A.", ".lora_B.")],
        )
        for name, down in downs.items()
    }
    return Adapter(
        task=task,
        classes=tuple(classes),
        by_token=model.by_token,
        scale=settings.alpha / settings.rank,
        matrices=matrices,
        head=model.head.weight.detach().numpy(),
        bias=model.head.bias.detach().numpy(),
        shapes=None if model.shapes is None else model.shapes.weight.detach().numpy(),
        card={"settings": vars(settings).copy()},
    )
