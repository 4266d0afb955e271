"""Inference of exported tasks with ONNX Runtime: from texts to probabilities or vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnxruntime

from models.content.encoder import MAX_TOKENS, FloatArray, IntArray, Tokens, normalized, tokenize
from models.content.word_shapes import shapes_of

_BATCH = 32


@dataclass(frozen=True)
class Task:
    """Exported graph with the names of its outputs; ``classes`` is empty for vectors."""

    session: onnxruntime.InferenceSession
    classes: tuple[str, ...]

    @classmethod
    def load(cls, graph: bytes, *, classes: Sequence[str] = (), threads: int = 1) -> Task:
        """Open a graph of ``models.content.export``."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # An arena would retain the memory of the longest text.
        options.enable_cpu_mem_arena = False
        return cls(onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"]), tuple(classes))

    def run(self, texts: Sequence[str], *, max_tokens: int = MAX_TOKENS) -> FloatArray:
        """Return (n, classes) probabilities, or (n, 384) vectors, in the order of the texts.

        Batches have texts of similar length, which need the least padding.
        """
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        found: list[FloatArray] = [np.zeros(0, dtype=np.float32)] * len(texts)
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            tokens = tokenize([normalized(texts[row]) for row in rows], max_tokens=max_tokens)
            for row, values in zip(rows, self.run_tokens(tokens), strict=True):
                found[row] = values
        return np.stack(found) if found else np.zeros((0, 0), dtype=np.float32)

    def run_tokens(self, tokens: Tokens, *, shapes: IntArray | None = None) -> FloatArray:
        """Return the output of a batch of tokens; ``shapes`` are required by graphs with that input."""
        given = {"ids": tokens.ids, "mask": tokens.mask} | ({} if shapes is None else {"shapes": shapes})
        values: FloatArray = self.session.run(None, given)[0]
        return values

    def spans(self, text: str) -> list[tuple[int, int, str]]:
        """Return the spans (begin, end, class) of a token classifier, in order."""
        tokens = tokenize([text])
        found = self.run_tokens(tokens, shapes=shapes_of([text], tokens) if self._needs_shapes else None)
        return spans_of(tokens.spans[0], [self.classes[place] for place in found[0].argmax(axis=-1)])

    @cached_property
    def _needs_shapes(self) -> bool:
        return any(graph_input.name == "shapes" for graph_input in self.session.get_inputs())


def spans_of(places: Sequence[tuple[int, int]], labels: Sequence[str]) -> list[tuple[int, int, str]]:
    """Decode BIO labels of tokens to spans (begin, end, class); subword tokens inherit the label of their word."""
    spans: list[tuple[int, int, str]] = []
    for (begin, end), label in zip(places, labels, strict=True):
        mark, _, kind = label.partition("-")
        if begin == end or not kind:
            continue
        first, last, before = spans[-1] if spans else (-1, -2, "")
        if begin == last or (mark == "I" and before == kind and begin == last + 1):
            spans[-1] = (first, end, before)
        else:
            spans.append((begin, end, kind))
    return spans
