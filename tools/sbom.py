"""``make sbom``: list the pinned packages as CycloneDX, and check that the list is complete."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[1]
OUTPUT: Final = ROOT / "build" / "sbom.cdx.json"
PROGRAM: Final = ROOT / ".venv" / "audit" / "bin" / "cyclonedx-py"


def pins(lines: Iterable[str]) -> set[str]:
    """Return the packages of ``constraints.txt`` as ``name==version``."""
    requirements = (Requirement(line) for line in lines if line.strip() and not line.startswith("#"))
    return {f"{canonicalize_name(one.name)}{one.specifier}" for one in requirements}


def missing(sbom: Mapping[str, Any], expected: set[str]) -> list[str]:
    """Return the expected packages that a CycloneDX document lacks."""
    listed = {f"{canonicalize_name(one['name'])}=={one['version']}" for one in sbom["components"]}
    return sorted(expected - listed)


def main() -> int:
    """Write the list; return the exit code."""
    OUTPUT.parent.mkdir(exist_ok=True)
    form = ("--output-reproducible", "--spec-version", "1.6", "--output-format", "JSON", "--output-file", str(OUTPUT))
    root = ("--pyproject", "pyproject.toml", "--mc-type", "application")
    command = [str(PROGRAM), "requirements", *root, *form, "constraints-hashes.txt"]
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    sbom = json.loads(OUTPUT.read_text(encoding="utf-8"))
    if lacking := missing(sbom, pins((ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())):
        print("error: the list lacks", *lacking, file=sys.stderr)  # noqa: T201
        return 1
    print(f"{OUTPUT.relative_to(ROOT)}: {len(sbom['components'])} packages")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
