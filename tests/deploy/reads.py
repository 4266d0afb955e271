"""Settings that a process can read, derived from the code that its command imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from neighborconnect.settings import Settings

ROOT = Path(__file__).parents[2]
PARTS = ("neighborconnect", "transactional_api", "pipelines", "feature_repo", "models", "bentos", "simulator")
# Properties of the settings themselves.
DERIVED = {"lake_storage_options": {"s3_endpoint_url", "s3_access_key", "s3_secret_key"}}
# Third parties' programs read theirs through dagster_home/dagster.yaml.
DAGSTER = {"dagster_database_url"}


@cache
def _file(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    found = [one for one in (path.with_suffix(".py"), path / "__init__.py") if one.exists()]
    return found[0] if found else None


def _named(tree: ast.Module) -> Iterator[str]:
    """Modules that a module imports, or names in a string as ``package.module:Class``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            yield node.value.partition(":")[0]


@cache
def _tree(module: str) -> ast.Module:
    file = _file(module)
    assert file is not None, module
    return ast.parse(file.read_text(encoding="utf-8"))


def imported(entry: str) -> set[str]:
    """Return every module of ours that a module leads to."""
    seen: set[str] = set()
    waiting = [entry]
    while waiting:
        module = waiting.pop()
        parents = [module.rpartition(".")[0]] if "." in module else []
        if module in seen or module.partition(".")[0] not in PARTS or not module.replace(".", "").isidentifier():
            continue
        if _file(module) is None:
            continue
        seen.add(module)
        waiting += [*_named(_tree(module)), *parents]
    return seen


def _reads_of(module: str) -> set[str]:
    if module == "neighborconnect.settings":
        return set()
    found: set[str] = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Attribute):
            found |= DERIVED.get(node.attr, {node.attr} & set(Settings.model_fields))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {node.value} & set(Settings.model_fields)
    return found


def settings_read(command: list[str]) -> set[str]:
    """Return the settings that a command of the compose file reads."""
    if command[0] == "neighborconnect":
        entry = {"up": "neighborconnect.stack.external", "simulate": "simulator.cli"}[command[1]]
    else:
        entry = command[2]
        if entry == "dagster":
            entry = command[command.index("-m", 3) + 1]
    if entry.partition(".")[0] not in PARTS:
        return set(DAGSTER)
    entries = [entry] if _file(f"{entry}.__main__") is None else [entry, f"{entry}.__main__"]
    found = {name for module in entries for each in imported(module) for name in _reads_of(each)}
    return found | (DAGSTER if entry.startswith("pipelines.") and "dagster" in _third_parties(entries) else set())


def _third_parties(entries: list[str]) -> set[str]:
    modules = {each for entry in entries for each in imported(entry)}
    return {name.partition(".")[0] for module in modules for name in _named(_tree(module))}
