"""``python -m benchmarks content``: the served encoder next to the plain PyTorch model, and the routes that use it.

The first part needs nothing that runs; the second asks the platform's API, as people would, 20 times a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import nn

from benchmarks import open_loop
from benchmarks.accounts import own_api, registered_accounts
from benchmarks.report import Row
from models.content.analyzer import MODERATION
from models.content.encoder import normalized, tokenize
from models.content.export import encoder_with, export
from models.content.predictor import Task
from models.content.topics import taxonomy
from models.content.train import shipped_adapters
from neighborconnect.settings import Settings

THREADS = 2
TEXTS = 1_000
SEED = 20261
ASKED = 400
_BATCH = 32
_WORDS = (5, 40)
_ROUTES = ("sentiment", "moderate", "topics", "spam-detection")


def run(settings: Settings) -> list[Row]:
    """Measure texts a second of the moderation task, then the routes of ``/analysis``."""
    rows = _throughput(_texts())
    with own_api(settings) as mine:
        return rows + asyncio.run(_routes(mine, _texts()[:ASKED]))


def _texts() -> list[str]:
    """Return texts of 5 to 40 words, drawn from those that the taxonomy describes its topics with."""
    words = [word for examples in taxonomy().values() for text in examples for word in text.split()]
    generator = np.random.default_rng(SEED)
    lengths = generator.integers(*_WORDS, size=TEXTS, endpoint=True)
    return [" ".join(generator.choice(words, size=length)) for length in lengths]


def _throughput(texts: list[str]) -> list[Row]:
    adapter = shipped_adapters()[MODERATION]
    torch.set_num_threads(THREADS)
    plain = nn.ModuleDict({"encoder": encoder_with(adapter)}).eval()
    head, bias = torch.from_numpy(adapter.head), torch.from_numpy(adapter.bias)

    def with_torch() -> list[int]:
        found: list[int] = []
        with torch.inference_mode():
            for start in range(0, len(texts), _BATCH):
                tokens = tokenize([normalized(text) for text in texts[start : start + _BATCH]])
                ids, mask = torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)
                hidden = plain["encoder"](input_ids=ids, attention_mask=mask).last_hidden_state
                weights = mask.unsqueeze(-1).float()
                pooled = (hidden * weights).sum(1) / weights.sum(1)
                found += (pooled @ head.T + bias).argmax(-1).tolist()
        return found

    served = {small: Task.load(export(adapter, quantize=small), threads=THREADS) for small in (True, False)}
    peer, known = _per_second(with_torch)
    rows = []
    for small, name in ((True, "8 bits, as served"), (False, "32 bits")):
        ours, found = _per_second(partial(_classes, served[small], texts))
        agree = np.mean(np.array(found) == np.array(known))
        note = f"peer: PyTorch, 32 bits; {THREADS} threads, batches of {_BATCH}; same class for {agree:.1%} of texts"
        rows.append(Row.compare(f"moderation, {name}", ours=ours, peer=peer, unit="texts/s", note=note))
    return rows


def _classes(task: Task, texts: Sequence[str]) -> list[int]:
    found: list[int] = task.run(texts).argmax(-1).tolist()
    return found


def _per_second(work: Callable[[], list[int]]) -> tuple[float, list[int]]:
    """Return the best of three runs, after one to warm up, and the result."""
    found, seconds = work(), []
    for _ in range(3):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return len(found) / min(seconds), found


async def _routes(settings: Settings, texts: Sequence[str]) -> list[Row]:
    rows: list[Row] = []
    async with registered_accounts(settings, number=1) as (somebody,):
        for route in _ROUTES:
            rows += await open_loop.ask(f"/analysis/{route}", [(somebody, {"text": text}) for text in texts])
    return rows
