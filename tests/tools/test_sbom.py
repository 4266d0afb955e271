"""The list of packages has every pin."""

from __future__ import annotations

from pathlib import Path

from tools.sbom import missing, pins

ROOT = Path(__file__).parents[2]


class TestCompleteness:
    def test_a_package_or_version_that_is_missing_is_named(self) -> None:
        expected = pins(["# a comment", "zope.event==6.1", "Pillow==12.0.0 ; python_version < '3.13'", "uv==0.9.0"])
        listed = [{"name": "zope-event", "version": "6.1"}, {"name": "uv", "version": "0.8.0"}]
        assert missing({"components": listed}, expected) == ["pillow==12.0.0", "uv==0.9.0"]

    def test_it_is_made_from_the_hashes_of_all_pins(self) -> None:
        hashed = (ROOT / "constraints-hashes.txt").read_text(encoding="utf-8").replace("\\\n", " ")
        listed = [line.split(" --hash")[0].strip() for line in hashed.splitlines()]
        expected = pins((ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
        assert pins(listed) == expected
        assert len(expected) > 400
