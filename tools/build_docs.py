"""Build the documentation site: ``python -m tools.build_docs`` (``make docs``).

Copies `docs/` to `build/docs`, adds the generated reference, and builds `build/site` with Zensical in strict mode:
broken links and anchors are errors. Before that, every repository path, `make` target, `neighborconnect` command and
`python -m` module that a page names must exist; after it, dbt's documentation of the warehouse is added as
`dbt/index.html`, and no page may load anything from another host.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tools import dbt_docs
from tools.reference.build import main as build_reference
from tools.reference.commands import commands, root_command
from tools.reference.repository import PARTS, ROOT

SOURCE, STAGED, SITE = ROOT / "docs", ROOT / "build" / "docs", ROOT / "build" / "site"
TOP_LEVEL = frozenset({*PARTS, "benchmarks", "tools", "tests", "docs", "deploy", "clients", "dbt_project"})
HISTORY = ("changelog", "releases/", "adr/")
"""Pages that describe the past, in which names of that time stay."""

_CODE = re.compile(r"`([^`\n]+)`")
_FENCE = re.compile(r"^```(?:sh|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"^[A-Za-z_][\w.-]*(?:/[\w.*<>{}-]+)+/?$")
_COMMAND = re.compile(r"(?:^|[\s;|&(])neighborconnect((?: [a-z][a-z-]*)+)")
_MODULE = re.compile(r"python3? -m ([\w.]+)")
_TARGET = re.compile(r"(?:^|[\s;&(])make ([a-z][a-z-]*)")
_EXTERNAL = re.compile(r"<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=[\"']?(?:https?:)?//[^\s>]+[^>]*>")


def pages() -> Iterator[Path]:
    """Yield the pages of the site and the Markdown files of the root."""
    yield from sorted(SOURCE.rglob("*.md"))
    yield from sorted(ROOT.glob("*.md"))


def missing_names(text: str, *, targets: frozenset[str], commands: frozenset[str]) -> Iterator[str]:
    """Yield what a page names and the repository lacks: paths, commands, modules and targets."""
    snippets = [*_CODE.findall(text), *_FENCE.findall(text)]
    for snippet in snippets:
        if _PATH.match(snippet) and snippet.split("/")[0] in TOP_LEVEL and not _exists(snippet):
            yield f"path {snippet}"
        for words in _COMMAND.findall(snippet):
            if not _is_command(words.split(), commands):
                yield f"command neighborconnect{words}"
        for module in _MODULE.findall(snippet):
            if module.split(".")[0] in TOP_LEVEL and not _runs(module):
                yield f"module {module}"
        for target in _TARGET.findall(snippet):
            if target not in targets:
                yield f"target make {target}"


def _exists(path: str) -> bool:
    if re.search(r"[*<>{}]", path):
        return any(ROOT.glob(re.sub(r"[<{][^>}]*[>}]", "*", path)))
    return (ROOT / path).exists()


def _runs(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _is_command(words: list[str], commands: frozenset[str]) -> bool:
    """Return whether some beginning of the words is a command, or all of them name a group."""
    names = [" ".join(words[:length]) for length in range(1, len(words) + 1)]
    return bool(commands.intersection(names)) or any(name.startswith(f"{names[-1]} ") for name in commands)


def make_targets() -> frozenset[str]:
    """Return the targets of the Makefile."""
    return frozenset(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def command_names() -> frozenset[str]:
    """Return the names of the commands below ``neighborconnect``."""
    return frozenset(name.removeprefix("neighborconnect ") for name, _ in commands(root_command()))


def stale_names() -> list[str]:
    """Return what the documentation names and the repository lacks, each with its page."""
    targets, commands = make_targets(), command_names()
    return [
        f"{page.relative_to(ROOT)}: {name}"
        for page in pages()
        if not any(part in page.relative_to(ROOT).as_posix().lower() for part in HISTORY)
        for name in missing_names(page.read_text(encoding="utf-8"), targets=targets, commands=commands)
    ]


def external_resources(site: Path) -> list[str]:
    """Return the elements of built pages that load something from another host."""
    return [
        f"{page.relative_to(site)}: {element}"
        for page in sorted(site.rglob("*.html"))
        for element in _EXTERNAL.findall(page.read_text(encoding="utf-8"))
        if not re.search(r"rel=[\"']?canonical", element)
    ]


def main() -> int:
    """Build the site; return the exit status."""
    problems = stale_names()
    for problem in problems:
        sys.stderr.write(f"{problem} does not exist\n")
    shutil.rmtree(STAGED, ignore_errors=True)
    shutil.copytree(SOURCE, STAGED)
    shutil.copy(ROOT / "CHANGELOG.md", STAGED / "changelog.md")
    incomplete = build_reference(["--output", str(STAGED / "reference")])
    built = subprocess.run(
        [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--clean"], cwd=ROOT, check=False
    )
    if built.returncode == 0:
        dbt_docs.write(SITE / "dbt" / "index.html")
    external = external_resources(SITE) if built.returncode == 0 else []
    for element in external:
        sys.stderr.write(f"{element} is loaded from another host\n")
    return 1 if problems or incomplete or built.returncode or external else 0


if __name__ == "__main__":
    sys.exit(main())
