"""Pinned versions: one version of each package for every supported Python."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
PINS = [Requirement(line) for line in LINES if line and not line.startswith("#")]
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


@pytest.mark.parametrize("python", ["3.11.0", "3.11.9", "3.12.0", "3.13.5"])
def test_each_package_has_one_version_whichever_python_it_is(python: str) -> None:
    here = {"python_version": python.rpartition(".")[0], "python_full_version": python}
    wanted = Counter(pin.name for pin in PINS if pin.marker is None or pin.marker.evaluate(here))
    assert [name for name, number in wanted.items() if number > 1] == []


def test_every_pin_is_to_one_version() -> None:
    assert [str(pin) for pin in PINS if len(pin.specifier) != 1 or next(iter(pin.specifier)).operator != "=="] == []


def test_every_pin_has_its_hashes_and_make_installs_by_them() -> None:
    text = (ROOT / "constraints-hashes.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    hashed = {HASH.sub("", line).strip(): len(HASH.findall(line)) for line in text.splitlines()}
    versions = {(pin.name, str(pin.specifier)) for pin in map(Requirement, hashed)}
    assert versions == {(canonicalize_name(pin.name), str(pin.specifier)) for pin in PINS}, "run `make pins`"
    assert [line for line, hashes in hashed.items() if not hashes] == []
    assert "-c constraints-hashes.txt -e" in (ROOT / "Makefile").read_text(encoding="utf-8")
