"""Runs the exported tasks: texts in, probabilities or vectors out, with ONNX Runtime alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime

from models.content.encoder import MAX_TOKENS, FloatArray, Tokens, normalised, tokenize

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

    def run_tokens(self, tokens: Tokens) -> FloatArray:
        """Return what the graph finds of a batch of tokens."""
        values: FloatArray = self.session.run(None, {"ids": tokens.ids, "mask": tokens.mask})[0]
        return values
