from __future__ import annotations

import subprocess
import sys


def test_feast_comes_without_torch_and_is_not_compiled_anew() -> None:
    """In a process of its own: this one has loaded both."""
    script = """
import sys, typeguard
whole = typeguard.typechecked
from feature_repo.vendor_patches import Entity
assert typeguard.typechecked is whole
assert "torch" not in sys.modules
assert "TypeCheckMemo" not in Entity.__init__.__code__.co_names
import torch
"""
    subprocess.run([sys.executable, "-c", script], check=True)
