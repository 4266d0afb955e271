"""The audit: which licenses pass, and that each accepted finding still exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.audit import CHECKS, EXAMPLE_SECRETS, EXCEPTIONS, main, without_license

ROOT = Path(__file__).parents[2]


def refused(license_name: str, name: str = "some-package") -> bool:
    return bool(without_license([{"Name": name, "License": license_name}]))


class TestLicenses:
    @pytest.mark.parametrize(
        "license_name",
        ["MIT", "GPL-3.0-only OR MIT", "MPL-2.0 AND (Apache-2.0 OR MIT)", "Apache Software License; BSD License"],
    )
    def test_allowed(self, license_name: str) -> None:
        assert not refused(license_name)

    @pytest.mark.parametrize(
        "license_name",
        ["GPL-3.0-only", "MIT AND AGPL-3.0-only", "UNKNOWN", "Other/Proprietary License", "SSPL-1.0; MIT"],
    )
    def test_refused(self, license_name: str) -> None:
        assert refused(license_name)

    def test_exceptions_are_single_packages_that_are_pinned(self) -> None:
        pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
        assert [name for name in EXCEPTIONS if f"\n{name}==" not in pinned] == []
        assert not refused("UNKNOWN", next(iter(EXCEPTIONS)))


class TestChecks:
    def test_files_with_example_secrets_exist(self) -> None:
        assert [file for file, _type in EXAMPLE_SECRETS if not (ROOT / file).exists()] == []

    def test_an_unknown_check_is_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["nothing"]) == 2
        message = capsys.readouterr().err
        assert [name for name in CHECKS if name not in message] == []
