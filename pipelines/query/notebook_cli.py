"""``neighborconnect notebook``: JupyterLab with the settings of this platform."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from neighborconnect.settings import SettingsError, get_settings

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def notebook(
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments of JupyterLab, after `--`.")] = None,
) -> None:
    """Start JupyterLab in `notebooks/` with the settings of this platform.

    JupyterLab is not installed by default: `pip install -c constraints.txt 'neighborconnect[notebook]'`. Notebooks read
    by `pipelines.query.session.connect()`, as the read-only role `analyst`.

    Example: neighborconnect notebook
    Example: neighborconnect notebook -- --no-browser --port 8899
    """
    try:
        settings = get_settings()
    except SettingsError as error:
        _fail(str(error))
    if importlib.util.find_spec("jupyterlab") is None:
        _fail("JupyterLab is not installed; run `pip install -c constraints.txt 'neighborconnect[notebook]'`.")
    # Kernels run in the folder of their notebook, where the relative default of the data folder is another one.
    environment = os.environ | {"NEIGHBORCONNECT_HOME": str(settings.neighborconnect_home)}
    # Nothing is downloaded: neither news nor the list of extensions.
    options = ("--LabApp.news_url=", "--LabApp.extension_manager=readonly")
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={NOTEBOOKS}", *options, *(arguments or [])]
    os.execve(sys.executable, command, environment)  # noqa: S606 (no shell is involved)


def _fail(reason: str) -> NoReturn:
    typer.echo(f"error: {reason}", err=True)
    raise typer.Exit(1) from None
