"""The files of a version, and how one is opened."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

FACES, NSFW, LABELS, SHOTS = "faces.onnx", "nsfw.onnx", "labels.onnx", "shots.onnx"
IMAGE_NETWORKS = (FACES, NSFW, LABELS)
NETWORKS = (*IMAGE_NETWORKS, SHOTS)
MANIFEST = "manifest.json"
_ERRORS_ONLY = 3


def open_network(network: Path | bytes) -> onnxruntime.InferenceSession:
    """Open a network on one core: a service looks at several pictures at once, each with its own."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Sizes of pictures differ; an arena would keep room for the largest for ever.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(
        network if isinstance(network, bytes) else str(network), options, providers=["CPUExecutionProvider"]
    )
