"""The ``neighborconnect`` command. Each package adds its commands through entry points."""

from __future__ import annotations

import ast
import importlib.util
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import typer

PLUGIN_GROUP = "neighborconnect.commands"


@cache
def _summary(plugin: EntryPoint) -> str:
    """Return the first docstring line of a plug-in's command, parsed from its source without importing it."""
    spec = importlib.util.find_spec(plugin.module)
    if spec is None or spec.origin is None:
        return ""
    module = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    functions = (node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == plugin.attr)
    docstring = ast.get_docstring(next(functions, module)) or ""
    return docstring.partition("\n")[0]


def _add_plugin(app: typer.Typer, plugin: EntryPoint) -> None:
    command = plugin.load()
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=plugin.name)
    else:
        app.command(plugin.name)(command)


def build(arguments: list[str]) -> typer.Typer:
    """Build the command line for these arguments; only the plug-in of the called command is imported."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        help="An ML-first data platform for a neighborhood social network.",
        epilog="Example: neighborconnect status",
    )
    called = next((argument for argument in arguments if not argument.startswith("-")), None)
    for plugin in sorted(entry_points(group=PLUGIN_GROUP), key=lambda plugin: plugin.name):
        if plugin.name == called:
            _add_plugin(app, plugin)
        else:
            app.command(plugin.name, help=_summary(plugin))(lambda: None)
    return app


def main() -> None:
    """Run the command line."""
    build(sys.argv[1:])()
