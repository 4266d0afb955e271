"""Adapter of a task: low-rank changes of the encoder's weights, and a linear head. A few MB, loaded without code.

LoRA: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import safetensors.numpy

from models.content.encoder import FloatArray

FORMAT = 1
_HEADER_LENGTH_BYTES = 8
_HEAD, _BIAS, _SHAPES = "head.weight", "head.bias", "shapes"


class AdapterError(ValueError):
    """The bytes are not an adapter of this format."""


@dataclass(frozen=True)
class Adapter:
    """Trained weights of a task.

    Attributes:
        task: name of the task.
        classes: names of the outputs, in order.
        by_token: whether tokens are classified, or texts.
        scale: factor of the product of the two low-rank matrices.
        matrices: (r, in) and (out, r) matrices by name of the encoder's weight.
        head, bias: (classes, 384) and (classes,).
        shapes: (shapes, 384) embeddings of word shapes (``models.content.word_shapes``); None for tasks without them.
        multi_label: whether each output is a probability of its own, or all of them sum to 1.
        card: data, protocol and metrics of the training.
    """

    task: str
    classes: tuple[str, ...]
    by_token: bool
    scale: float
    matrices: dict[str, tuple[FloatArray, FloatArray]]
    head: FloatArray
    bias: FloatArray
    shapes: FloatArray | None = None
    multi_label: bool = False
    card: dict[str, Any] = field(default_factory=dict)

    def merged(self, name: str, weight: FloatArray) -> FloatArray:
        """Return the encoder's weight of this name, with the change of the task added."""
        if name not in self.matrices:
            return weight
        down, up = self.matrices[name]
        return np.asarray(weight + self.scale * (up @ down), dtype=np.float32)


def to_bytes(adapter: Adapter) -> bytes:
    """Serialize an adapter as one safetensors file, in half precision."""
    arrays = {_HEAD: adapter.head, _BIAS: adapter.bias}
    if adapter.shapes is not None:
        arrays[_SHAPES] = adapter.shapes
    for name, (down, up) in adapter.matrices.items():
        arrays |= {f"{name}.down": down, f"{name}.up": up}
    described = {
        "format": FORMAT,
        "task": adapter.task,
        "classes": adapter.classes,
        "by_token": adapter.by_token,
        "scale": adapter.scale,
        "multi_label": adapter.multi_label,
        "card": adapter.card,
    }
    halves = {name: np.ascontiguousarray(array, dtype=np.float16) for name, array in arrays.items()}
    return safetensors.numpy.save(halves, metadata={"adapter": json.dumps(described)})


def from_bytes(data: bytes) -> Adapter:
    """Deserialize the output of ``to_bytes``.

    Raises:
        AdapterError: when ``data`` is something else or of another format.
    """
    try:
        arrays = {name: array.astype(np.float32) for name, array in safetensors.numpy.load(data).items()}
        length = int.from_bytes(data[:_HEADER_LENGTH_BYTES], "little")
        header = json.loads(data[_HEADER_LENGTH_BYTES : _HEADER_LENGTH_BYTES + length])
        described = json.loads(header["__metadata__"]["adapter"])
        head, bias, shapes = arrays.pop(_HEAD), arrays.pop(_BIAS), arrays.pop(_SHAPES, None)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise AdapterError(f"not an adapter: {error}") from error
    if described["format"] != FORMAT:
        raise AdapterError(f"adapter of format {described['format']}; this code reads format {FORMAT}")
    names = sorted({name.rsplit(".", 1)[0] for name in arrays})
    return Adapter(
        task=described["task"],
        classes=tuple(described["classes"]),
        by_token=described["by_token"],
        scale=described["scale"],
        matrices={name: (arrays[f"{name}.down"], arrays[f"{name}.up"]) for name in names},
        head=head,
        bias=bias,
        shapes=shapes,
        multi_label=described.get("multi_label", False),
        card=described["card"],
    )
