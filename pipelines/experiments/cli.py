"""``neighborconnect experiments``: readouts of experiments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import httpx
import psycopg
import typer
from rich.console import Console
from rich.table import Table

from neighborconnect.settings import Settings, SettingsError, get_settings
from pipelines.experiments import report
from pipelines.experiments.definitions import Definition, read_active

app = typer.Typer(no_args_is_help=True, help="The active experiments, and their readouts from the marts.")


@app.command("list")
def list_active() -> None:
    """List the active experiments.

    Example: neighborconnect experiments list
    """
    with _settings() as settings:
        shown = Table("experiment", "variants", "primary metric", "guardrails", "hypothesis", header_style="bold")
        for one in read_active(settings):
            variants = ", ".join(f"{name} {weight}" for name, weight in one.weights.items())
            shown.add_row(one.key, variants, one.primary_metric, ", ".join(one.guardrails), one.hypothesis)
        Console().print(shown)


@app.command()
def readout(name: Annotated[str, typer.Argument(help="Key of the experiment.")]) -> None:
    """Compare the variants of an active experiment: sample ratio, effects with intervals, and guardrails.

    Example: neighborconnect experiments readout newer-posts
    """
    with _settings() as settings:
        found = report.read(settings, _named(settings, name))
    sizes = ", ".join(f"{variant} {size}" for variant, size in found.users.items())
    checked = "" if found.sample_ratio_p_value is None else f"; sample ratio p = {found.sample_ratio_p_value:.3f}"
    typer.echo(f"users: {sizes}{checked}")
    if found.refusal:
        _fail(found.refusal)
    shown = Table("variant", "outcome", "control", "difference", "95 %", "95 % at any time", "", header_style="bold")
    for comparison, one in report.effects(found):
        shown.add_row(
            comparison.variant,
            f"{one.metric} (primary)" if one.metric == found.primary_metric else one.metric,
            f"{one.control:.4g}",
            f"{one.difference:+.4g}",
            f"[{one.low:+.4g}, {one.high:+.4g}]".replace("[", r"\["),
            f"[{one.always_low:+.4g}, {one.always_high:+.4g}]".replace("[", r"\["),
            "harmed" if one.is_breach else "",
        )
    Console().print(shown)


def _named(settings: Settings, name: str) -> Definition:
    for one in read_active(settings):
        if one.key == name:
            return one
    return _fail(f"There is no active experiment {name!r}; see `neighborconnect experiments list`.")


@contextmanager
def _settings() -> Iterator[Settings]:
    """Yield the settings; expected errors end the command with one line."""
    try:
        yield get_settings()
    except (SettingsError, httpx.HTTPError, psycopg.Error) as error:
        _fail(str(error).partition("\n")[0])


def _fail(reason: str) -> NoReturn:
    typer.echo(f"error: {reason}", err=True)
    raise typer.Exit(1) from None
