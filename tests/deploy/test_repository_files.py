"""Files that describe the repository: one version, and documents that their readers' tools accept."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def check_schema(schema: str, *files: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [str(program), "--builtin-schema", schema, *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class TestVersion:
    def test_the_changelog_has_the_version_and_a_place_for_the_next(self) -> None:
        headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
        assert headings[0] == "Unreleased"
        assert re.fullmatch(rf"{re.escape(VERSION)} - \d{{4}}-\d\d-\d\d", headings[1])

    def test_the_release_has_notes(self) -> None:
        assert (ROOT / "docs" / "releases" / f"v{VERSION}.md").exists()

    def test_images_carry_the_version(self) -> None:
        tags = set(
            re.findall(r"neighborconnect/platform:(\S+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
        )
        assert tags == {VERSION}

    def test_the_client_has_the_version(self) -> None:
        package = json.loads((ROOT / "clients/typescript/package.json").read_text(encoding="utf-8"))
        assert package["version"] == VERSION


class TestGitHub:
    @pytest.mark.parametrize(
        ("schema", "pattern"),
        [("vendor.dependabot", ".github/dependabot.yml"), ("vendor.github-workflows", ".github/workflows/*.yml")],
    )
    def test_files_meet_their_schema(self, schema: str, pattern: str) -> None:
        files = sorted(ROOT.glob(pattern))
        assert files
        result = check_schema(schema, *files)
        assert result.returncode == 0, result.stdout

    @pytest.mark.parametrize(
        "path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=lambda p: p.stem
    )
    def test_issue_forms_have_unique_labeled_fields(self, path: Path) -> None:
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        fields = [field for field in form["body"] if field["type"] != "markdown"]
        assert {"name", "description", "body"} <= form.keys()
        assert len({field["id"] for field in fields}) == len(fields)
        assert all(field["attributes"]["label"] for field in fields)

    def test_owned_paths_exist(self) -> None:
        lines = (ROOT / ".github" / "CODEOWNERS").read_text(encoding="utf-8").splitlines()
        owned = [line.split()[0] for line in lines if line and not line.startswith("#")]
        assert owned[0] == "*"
        assert [path for path in owned[1:] if not (ROOT / path.lstrip("/")).exists()] == []


class TestContents:
    def test_no_package_or_archive_is_in_the_repository(self) -> None:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        archives = (".whl", ".tgz", ".gz", ".zip", ".jar", ".exe", ".so")
        assert [path for path in listed.split("\0") if path.endswith(archives)] == []


class TestDevcontainer:
    def test_the_devcontainer_builds_and_forwards_the_main_ports(self) -> None:
        container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
        assert (ROOT / ".devcontainer" / container["build"]["dockerfile"]).exists()
        assert container["forwardPorts"] == [3000, 5000, 8000]
