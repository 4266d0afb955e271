"""The page "Commands": the ``neighborconnect`` command and the modules that ``python -m`` runs."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any
from unittest import mock

import typer.main

from tools.reference.page import Page, first_sentence, table
from tools.reference.repository import PARTS, ROOT

_RUNS = re.compile(r'^if __name__ == "__main__":', re.MULTILINE)


def declared_commands() -> EntryPoints:
    """Return the commands of the parts as ``pyproject.toml`` declares them; the installed metadata may be older."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    group = "neighborconnect.commands"
    return EntryPoints(EntryPoint(name, value, group) for name, value in project["entry-points"][group].items())


def root_command() -> Any:
    """Return the whole ``neighborconnect`` command, the commands of all parts included."""
    cli: Any = importlib.import_module("neighborconnect.cli")
    points = declared_commands()
    with mock.patch.object(cli, "entry_points", return_value=points):
        command: Any = typer.main.get_command(cli.build([]))
        for point in points:
            built: Any = typer.main.get_command(cli.build([point.name]))
            command.commands[point.name] = built.commands[point.name]
    return command


def commands(command: Any, path: str = "neighborconnect") -> Iterator[tuple[str, Any]]:
    """Yield the full name and the command of each command that is no group."""
    for name, child in sorted(getattr(command, "commands", {}).items()):
        if hasattr(child, "commands"):
            yield from commands(child, f"{path} {name}")
        else:
            yield f"{path} {name}", child


def runnable_modules() -> list[tuple[str, str]]:
    """Return the modules that ``python -m`` runs, with the first line of their docstring; nothing is imported."""
    rows = []
    for part in (*PARTS, "benchmarks", "tools"):
        for path in sorted((ROOT / part).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            if path.name != "__main__.py" and not _RUNS.search(source):
                continue
            relative = path.relative_to(ROOT).with_suffix("")
            parts = relative.parts[:-1] if path.name == "__main__.py" else relative.parts
            rows.append((".".join(parts), first_sentence(ast.get_docstring(ast.parse(source)))))
    return rows


def cli_page() -> Page:
    """Return the page of commands."""
    page = Page(
        "cli",
        "Commands",
        "The commands live in `.venv/bin`; `source .venv/bin/activate` puts them on the path.",
    )
    for name, command in commands(root_command()):
        if not (text := inspect.cleandoc(command.help or "")):
            page.problems.append(f"command {name} has no help text")
        rows, usage = [], [name]
        for parameter in command.params:
            if parameter.param_type_name == "argument":
                label = parameter.metavar or str(parameter.name).upper()
                usage.append(label if parameter.required or "[" in label else f"[{label}]")
            else:
                label = ", ".join([*parameter.opts, *parameter.secondary_opts])
            help_text = getattr(parameter, "help", None)
            if label == "--help":
                continue
            if not help_text:
                page.problems.append(f"command {name}: {label} has no help text")
            rows.append((f"`{label}`", help_text or ""))
        if any(parameter.param_type_name == "option" for parameter in command.params):
            usage.insert(1, "[OPTIONS]")
        body = [f"```text\n{' '.join(usage)}\n```", text] + ([table(("Parameter", "Meaning"), rows)] if rows else [])
        page.sections.append((name, "\n\n".join(body)))
    modules = runnable_modules()
    page.problems += [f"module {name} has no docstring" for name, text in modules if not text]
    page.sections.append(
        ("Modules", table(("Command", "What it runs"), ((f"`python -m {name}`", text) for name, text in modules)))
    )
    return page
