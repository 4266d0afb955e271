"""``neighborconnect slo``: present state of the service-level objectives."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from neighborconnect.metrics import read_metrics
from neighborconnect.settings import SettingsError, get_settings
from neighborconnect.slo.objectives import read_catalog
from neighborconnect.slo.state import ObjectiveState, State, evaluate

_COLORS = {State.MET: "green", State.MISSED: "red", State.NO_DATA: "dim"}
console = Console()


def slo(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show whether each service-level objective is met, from the metrics of the running processes.

    Counts begin with the start of each process; Prometheus has the history. Exits with code 1 if an objective is
    missed, or no process responds.

    Example: neighborconnect slo --json
    """
    try:
        settings = get_settings()
        metrics, problems = read_metrics(settings, {"api": settings.api_url, "monitoring": settings.monitoring_url})
    except SettingsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    states = evaluate(read_catalog().objectives, metrics)
    if as_json:
        typer.echo(json.dumps([_as_object(state) for state in states], indent=1))
    else:
        console.print(_table(states))
    for name, problem in problems.items():
        typer.echo(f"warning: {name} {problem}; its objectives have no data.", err=True)
    if len(problems) > 1 or any(state.state is State.MISSED for state in states):
        raise typer.Exit(1)


def _as_object(state: ObjectiveState) -> dict[str, object]:
    return {
        "name": state.name,
        "state": state.state.value,
        "target": state.target,
        "share": state.share,
        "good": state.good,
        "total": state.total,
        "budget_used": state.budget_used,
        "runbook": f"docs/how-to/{state.runbook}",
    }


def _table(states: list[ObjectiveState]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), caption="since the start of each process")
    for heading in ("objective", "state"):
        table.add_column(heading)
    for heading in ("target", "now", "of", "budget used"):
        table.add_column(heading, justify="right", no_wrap=True)
    for state in states:
        share, used = state.share, state.budget_used
        table.add_row(
            state.title,
            f"[{_COLORS[state.state]}]{state.state.value}[/]",
            f"{state.target:.1%}",
            "-" if share is None else f"{share:.3%}",
            str(state.total),
            "-" if used is None else f"{used:.0%}",
        )
    return table
