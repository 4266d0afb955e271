"""The rules of the architecture that a machine can hold."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = (
    "neighborconnect",
    "local_stack",
    "transactional_api",
    "pipelines",
    "feature_repo",
    "models",
    "bentos",
    "simulator",
)


def sources() -> list[Path]:
    return [path for part in PARTS for path in sorted((ROOT / part).rglob("*.py"))]


def test_only_the_stack_asks_which_profile_is_in_force() -> None:
    asks = re.compile(r"neighborconnect_profile|NEIGHBORCONNECT_PROFILE")
    allowed = {ROOT / "neighborconnect" / "settings.py"}
    found = [
        path
        for path in sources()
        if asks.search(path.read_text(encoding="utf-8"))
        and path not in allowed
        and not path.is_relative_to(ROOT / "local_stack")
    ]
    assert found == []


def test_dagster_home_has_no_code_and_constraints_no_registry() -> None:
    assert list((ROOT / "dagster_home").rglob("*.py")) == []
    for pins in ("constraints.txt", "constraints-hashes.txt"):
        assert "://" not in (ROOT / pins).read_text(encoding="utf-8")


def test_names_of_tests_have_at_most_60_characters() -> None:
    names = [
        name
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
    ]
    assert [name for name in names if len(name) > 60] == []
