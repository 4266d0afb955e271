"""The ``neighborconnect`` command; each part of the platform adds its own commands through entry points."""

from __future__ import annotations

import ast
import importlib.util
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import typer

from neighborconnect.stack import commands as stack_commands

PLUGINS = "neighborconnect.commands"


def _first_line(point: EntryPoint) -> str:
    """Return the first line of help of a part's command, read from its source so that the part stays unimported."""
    spec = importlib.util.find_spec(point.module)
    if spec is None or spec.origin is None:
        return ""
    module = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    functions = (node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == point.attr)
    told = ast.get_docstring(next(functions, module)) or ""
    return told.partition("\n")[0]


def _add(app: typer.Typer, point: EntryPoint) -> None:
    part = point.load()
    if isinstance(part, typer.Typer):
        app.add_typer(part, name=point.name)
    else:
        app.command(point.name)(part)


def build(arguments: list[str]) -> typer.Typer:
    """Build the command line for these arguments; of the parts, only the one that is called is imported."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        help="An ML-first data platform for a neighbourhood social network.",
        epilog="Example: neighborconnect status",
    )
    stack_commands.register(app)
    called = next((argument for argument in arguments if not argument.startswith("-")), None)
    for point in sorted(entry_points(group=PLUGINS), key=lambda point: point.name):
        if point.name == called:
            _add(app, point)
        else:
            app.command(point.name, help=_first_line(point))(lambda: None)
    return app


def main() -> None:
    """Run the command line."""
    build(sys.argv[1:])()
