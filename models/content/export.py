"""Export of the encoder with an adapter to one ONNX graph, which is served without PyTorch."""

from __future__ import annotations

import io
import tempfile
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn
from transformers import AutoModel
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from models.content.adapter import Adapter
from models.content.encoder import model_path

_OPSET = 18


def encoder_with(adapter: Adapter | None) -> Any:
    """Return the encoder with an adapter merged into its weights."""
    disable_progress_bar()
    # It logs a warning about the pooling layer, which is omitted intentionally.
    set_verbosity_error()
    encoder = AutoModel.from_pretrained(str(model_path()), add_pooling_layer=False, attn_implementation="eager")
    if adapter is not None:
        state = encoder.state_dict()
        merged = {name: torch.from_numpy(adapter.merged(name, state[name].numpy())) for name in adapter.matrices}
        encoder.load_state_dict({**state, **merged})
    return encoder.eval()


class _Served(nn.Module):
    """Encoder with an adapter and softmax or sigmoid output; without an adapter, with unit vectors as output."""

    def __init__(self, adapter: Adapter | None) -> None:
        super().__init__()
        self.encoder = encoder_with(adapter)
        self.by_token = adapter is not None and adapter.by_token
        self.multi_label = adapter is not None and adapter.multi_label
        self.head: nn.Linear | None = None
        if adapter is not None:
            self.head = nn.Linear(adapter.head.shape[1], adapter.head.shape[0])
            self.head.load_state_dict(
                {"weight": torch.from_numpy(adapter.head), "bias": torch.from_numpy(adapter.bias)}
            )
        self.shapes: nn.Embedding | None = None
        if adapter is not None and adapter.shapes is not None:
            self.shapes = nn.Embedding.from_pretrained(torch.from_numpy(adapter.shapes))  # type: ignore[no-untyped-call]

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, shapes: torch.Tensor | None = None) -> torch.Tensor:
        """Return (n, classes) or (n, t, classes) probabilities, or (n, 384) vectors."""
        words = self.encoder.embeddings.word_embeddings(ids)
        if self.shapes is not None:
            words = words + self.shapes(shapes)
        hidden: torch.Tensor = self.encoder(inputs_embeds=words, attention_mask=mask).last_hidden_state
        if not self.by_token:
            weights = mask.unsqueeze(-1).to(hidden.dtype)
            hidden = (hidden * weights).sum(1) / weights.sum(1)
        if self.head is None:
            return nn.functional.normalize(hidden, dim=-1)
        logits = self.head(hidden)
        return torch.sigmoid(logits) if self.multi_label else torch.softmax(logits, dim=-1)


def export(adapter: Adapter | None, *, quantize: bool) -> bytes:
    """Return the ONNX graph of a task, or of the encoder alone.

    Args:
        adapter: adapter of the task; None for vectors.
        quantize: whether to quantize weights to eight bits: a quarter of the size, and about twice as fast.
    """
    names = ["ids", "mask"] if adapter is None or adapter.shapes is None else ["ids", "mask", "shapes"]
    sample = tuple(torch.ones(2, 8, dtype=torch.int64) for _ in names)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Served(adapter).eval(),
            sample,
            buffer,  # type: ignore[arg-type]
            input_names=names,
            output_names=["found"],
            dynamic_axes={name: {0: "n", 1: "t"} for name in names},
            opset_version=_OPSET,
            dynamo=False,
        )
    graph = buffer.getvalue()
    return quantized(graph) if quantize else graph


def quantized(graph: bytes) -> bytes:
    """Return an exported graph with weights of eight bits."""
    with tempfile.TemporaryDirectory() as folder:
        whole, prepared, small = (Path(folder, name) for name in ("whole.onnx", "prepared.onnx", "small.onnx"))
        whole.write_bytes(graph)
        quant_pre_process(str(whole), str(prepared), skip_symbolic_shape=True)
        quantize_dynamic(str(prepared), str(small), weight_type=QuantType.QInt8, per_channel=True)
        onnx.checker.check_model(str(small))
        return small.read_bytes()
