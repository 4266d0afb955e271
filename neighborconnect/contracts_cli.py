"""``neighborconnect contracts``: the schemas of the messages on Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from neighborconnect.contracts import schema_export

app = typer.Typer(no_args_is_help=True, help="The contracts of the messages on Kafka.")


@app.callback()
def contracts() -> None:
    """Export and check the contracts of the messages on Kafka."""


@app.command()
def export(
    folder: Annotated[Path, typer.Option(help="Folder of the schemas.", file_okay=False)] = schema_export.SCHEMAS_DIR,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if the folder differs from the registry.")
    ] = False,
) -> None:
    """Write a JSON Schema of each topic, and the registry with its version.

    A change that readers of the exported schemas could not handle (a removed topic or column, another type) is refused
    unless the major version of the registry was raised.

    Example: neighborconnect contracts export --check
    """
    console = Console(stderr=True)
    try:
        outdated = schema_export.outdated_files(folder) if check else schema_export.export(folder)
    except schema_export.IncompatibleChangeError as error:
        console.print(str(error), style="red")
        raise typer.Exit(1) from None
    if check and outdated:
        console.print(f"Outdated: {', '.join(outdated)}. Run neighborconnect contracts export.", style="red")
        raise typer.Exit(1)
    console.print(f"{len(schema_export.exported_files())} files, {len(outdated)} changed, in {folder}")
