"""Runs the exported tasks: texts in, probabilities or vectors out, with ONNX Runtime alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnxruntime

from models.content.encoder import MAX_TOKENS, FloatArray, IntArray, Tokens, normalised, tokenize
from models.content.shapes import shapes_of

_BATCH = 32


@dataclass(frozen=True)
class Task:
    """One exported graph, with the names of what it puts out; ``classes`` is empty for vectors."""

    session: onnxruntime.InferenceSession
    classes: tuple[str, ...]

    @classmethod
    def load(cls, graph: bytes, *, classes: Sequence[str] = (), threads: int = 1) -> Task:
        """Open a graph that ``models.content.export`` made."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # What one long text needed once is not to be held for ever.
        options.enable_cpu_mem_arena = False
        return cls(onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"]), tuple(classes))

    def run(self, texts: Sequence[str], *, max_tokens: int = MAX_TOKENS) -> FloatArray:
        """Return what the graph finds of each text, in order: (n, classes) probabilities, or (n, 384) vectors.

        Texts of like length go together, so that little is spent on padding.
        """
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        found: list[FloatArray] = [np.zeros(0, dtype=np.float32)] * len(texts)
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            tokens = tokenize([normalised(texts[row]) for row in rows], max_tokens=max_tokens)
            for row, values in zip(rows, self.run_tokens(tokens), strict=True):
                found[row] = values
        return np.stack(found) if found else np.zeros((0, 0), dtype=np.float32)

    def run_tokens(self, tokens: Tokens, *, shapes: IntArray | None = None) -> FloatArray:
        """Return what the graph finds of a batch of tokens; ``shapes`` where it looks at how words are written."""
        given = {"ids": tokens.ids, "mask": tokens.mask} | ({} if shapes is None else {"shapes": shapes})
        values: FloatArray = self.session.run(None, given)[0]
        return values

    def spans(self, text: str) -> list[tuple[int, int, str]]:
        """Return what a graph that classifies tokens marks in a text: begin, end, class, in order."""
        tokens = tokenize([text])
        found = self.run_tokens(tokens, shapes=shapes_of([text], tokens) if self._looks_at_shapes else None)
        return spans_of(tokens.spans[0], [self.classes[place] for place in found[0].argmax(axis=-1)])

    @cached_property
    def _looks_at_shapes(self) -> bool:
        return any(one.name == "shapes" for one in self.session.get_inputs())


def spans_of(places: Sequence[tuple[int, int]], labels: Sequence[str]) -> list[tuple[int, int, str]]:
    """Join BIO labels of tokens to spans (begin, end, class); a part of a word belongs to the word's label."""
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
