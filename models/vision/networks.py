"""Files of a version, and their ONNX Runtime sessions."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

FACES, NSFW, LABELS, SHOTS = "faces.onnx", "nsfw.onnx", "labels.onnx", "shots.onnx"
IMAGE_NETWORKS = (FACES, NSFW, LABELS)
NETWORKS = (*IMAGE_NETWORKS, SHOTS)
MANIFEST = "manifest.json"
_ERRORS_ONLY = 3


def open_network(network: Path | bytes) -> onnxruntime.InferenceSession:
    """Open a network with one thread: a service processes several pictures in parallel."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Input sizes vary; an arena would retain the memory of the largest one.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(
        network if isinstance(network, bytes) else str(network), options, providers=["CPUExecutionProvider"]
    )
