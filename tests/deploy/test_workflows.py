"""Workflows: pinned actions, least permissions, no text of an event in a shell, and the parts of the design."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
workflows = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return found


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in jobs(path).values():
        yield from job.get("steps", [])


class TestWorkflows:
    @workflows
    def test_actions_are_pinned_by_commit_with_their_version(self, path: Path) -> None:
        used = re.findall(r"uses: (.+)", path.read_text(encoding="utf-8"))
        remote = [each for each in used if not each.startswith("./")]
        assert [each for each in remote if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []

    def test_an_action_has_one_commit(self) -> None:
        commits = defaultdict(set)
        for path in FILES:
            for step in steps(path):
                if "uses" in step:
                    action, _, commit = step["uses"].partition("@")
                    commits[action].add(commit)
        assert [action for action, found in commits.items() if len(found) > 1] == []

    @workflows
    def test_permissions_are_of_single_jobs(self, path: Path) -> None:
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"] == {}
        for job in jobs(path).values():
            assert job["permissions"]["contents"] in {"read", "write"}

    def test_only_the_release_writes(self) -> None:
        writing = {
            (path.stem, name, scope)
            for path in FILES
            for name, job in jobs(path).items()
            for scope, access in job["permissions"].items()
            if access == "write"
        }
        image = {"packages", "id-token", "attestations"}
        assert writing == {
            *(("images", "build", scope) for scope in image),
            *(("release", "images", scope) for scope in image),
            ("release", "publish", "contents"),
            ("release", "publish", "packages"),
        }

    @workflows
    def test_no_expression_is_in_a_shell(self, path: Path) -> None:
        assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []

    @workflows
    def test_checkouts_keep_no_credentials(self, path: Path) -> None:
        checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]
        assert all(step["with"]["persist-credentials"] is False for step in checkouts)

    @workflows
    def test_commands_of_make_exist(self, path: Path) -> None:
        targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        called = {name for step in steps(path) for name in re.findall(r"\bmake ([a-z]+)", step.get("run", ""))}
        assert called <= targets

    def test_a_deployment_is_verified_before_it_starts(self) -> None:
        runs = [step.get("run", "") for step in steps(ROOT / ".github" / "workflows" / "deploy.yml")]
        [verified] = [place for place, text in enumerate(runs) if "gh attestation verify" in text]
        [deployed] = [place for place, text in enumerate(runs) if "tools.blue_green" in text]
        assert verified < deployed
