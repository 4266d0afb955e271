"""Settings that a process can read, derived from the code that its command imports."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from neighborconnect.settings import Settings

ROOT = Path(__file__).parents[2]
FIELDS = frozenset(Settings.model_fields)
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
# Properties of the settings themselves.
DERIVED = {"lake_storage_options": {"s3_endpoint_url", "s3_access_key", "s3_secret_key"}}
# Third parties' programs read theirs through dagster_home/dagster.yaml.
DAGSTER = {"dagster_database_url"}


@cache
def _file(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    found = [one for one in (path.with_suffix(".py"), path / "__init__.py") if one.exists()]
    return found[0] if found else None


@cache
def _tree(module: str) -> ast.Module:
    file = _file(module)
    assert file is not None, module
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def _named(module: str) -> frozenset[str]:
    """Modules that a module imports, or names in a string as ``package.module:Class``."""
    names = set[str]()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            names.add(node.value.partition(":")[0])
    return frozenset(names)


@cache
def imported(entry: str) -> frozenset[str]:
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
        waiting += [*_named(module), *parents]
    return frozenset(seen)


@cache
def _reads_of(module: str) -> frozenset[str]:
    if module == "neighborconnect.settings":
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Attribute):
            found |= DERIVED.get(node.attr, {node.attr} & FIELDS)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {node.value} & FIELDS
    return frozenset(found)


def settings_read(command: list[str]) -> set[str]:
    """Return the settings that a command of the compose file reads."""
    if command[0] == "neighborconnect":
        entry = {"up": "local_stack.external", "simulate": "simulator.cli"}[command[1]]
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
    return {name.partition(".")[0] for module in modules for name in _named(module)}
