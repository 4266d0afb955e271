"""Command ``neighborconnect judge``: the served feeds of a simulated town, judged by its hidden preferences."""

from __future__ import annotations

import asyncio
import json
import math
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich.table import Table

from neighborconnect.settings import Settings, get_settings
from simulator.bulk import TownError, is_loopback
from simulator.cli import DEMO_PASSWORD, console, exit_on_error, progress_bar
from simulator.judge import Plan, judge_feeds
from simulator.newcomers import NewcomerPlan, follow_newcomers
from simulator.true_utility import GroundTruth, truth_folders

app = typer.Typer(no_args_is_help=True)

Truth = Annotated[
    Path | None,
    typer.Option("--truth", help="Folder of the ground truth; defaults to all in NEIGHBORCONNECT_HOME/ground_truth."),
]
Url = Annotated[str | None, typer.Option("--api-url", help="URL of the API; defaults to API_URL.")]
Password = Annotated[
    str | None,
    typer.Option(help="Password of all users of the town; the documented one if the database is on this machine."),
]
Seed = Annotated[int, typer.Option(min=0, help="Random seed of the samples and intervals.")]
Json = Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")]


@app.callback()
def judge() -> None:
    """Judge the served feeds of a simulated town by its hidden preferences.

    The town is one of `neighborconnect simulate`. This is a command of its own, because `simulate` creates a town and
    takes its options itself.
    """


@app.command()
def feeds(  # noqa: PLR0917 (typer makes options of them)
    people: Annotated[int, typer.Option(min=1, help="Known people, and as many newcomers at most.")] = 60,
    newcomer_days: Annotated[
        float, typer.Option(min=0, help="A newcomer arrived within this many days of the latest arrival.")
    ] = 3.0,
    pages: Annotated[int, typer.Option(min=1, max=5, help="Pages per person and kind; the first ten items count.")] = 2,
    limit: Annotated[int, typer.Option(min=10, max=100, help="Items per page.")] = 20,
    seed: Seed = 1,
    truth: Truth = None,
    api_url: Url = None,
    password: Password = None,
    json_file: Json = None,
) -> None:
    """Compare the first pages of posts, connectors, events, items and of the home feed with the hidden preferences.

    ndcg@10 is over the items that may be served to the person, by the API's own rules. The home feed is also mixed from
    the same feeds without its limit of categories. Nothing is reported to the API, so the feeds learn nothing from it;
    people log in and out.

    Example: neighborconnect judge feeds --people 60 --seed 1
    """
    with exit_on_error():
        settings = get_settings()
        plan = Plan(
            people=people,
            newcomer_days=newcomer_days,
            pages=pages,
            limit=limit,
            seed=seed,
            api_url=api_url or settings.api_url,
            password=_password(settings, password),
        )
        known = _truth(settings, truth)
        with psycopg.connect(settings.database_url, autocommit=True) as connection, progress_bar() as progress:
            reading = progress.add_task("Reading eligible items", total=None)
            judging = progress.add_task("Judging people", total=None)

            def on_total(total: int) -> None:
                progress.update(reading, total=total)
                progress.update(judging, total=total)

            report = asyncio.run(
                judge_feeds(
                    plan,
                    known,
                    connection,
                    on_total=on_total,
                    on_read=partial(progress.advance, reading),
                    on_person=partial(progress.advance, judging),
                )
            )
        for name, group in report["groups"].items():
            if group["people"]:
                console.print(_quality_table(name, group, seed=seed), _composition_table(name, group))
                console.print(_home_table(name, group, limit=limit, seed=seed))
            else:
                console.print(f"There are no {name}.")
        _write(report, json_file)


@app.command()
def newcomers(  # noqa: PLR0917 (typer makes options of them)
    people: Annotated[int, typer.Option(min=1, help="Newcomers to register.")] = 30,
    wait: Annotated[float, typer.Option(min=0, help="Seconds between the likes and the second page.")] = 15.0,
    seed: Seed = 1,
    truth: Truth = None,
    api_url: Url = None,
    json_file: Json = None,
) -> None:
    """Register newcomers with a place and three interests; compare their first pages before and after three likes.

    A newcomer has the taste of a person of the town. The measure is the expected clicks on the first ten posts by the
    choice model. The newcomers remain in the town, and their likes count: use a town that you can reset.

    Example: neighborconnect judge newcomers --people 30
    """
    with exit_on_error():
        settings = get_settings()
        plan = NewcomerPlan(
            people=people,
            wait=wait,
            seed=seed,
            api_url=api_url or settings.api_url,
            platform_token=settings.platform_token.get_secret_value(),
        )
        known = _truth(settings, truth)
        with psycopg.connect(settings.database_url, autocommit=True) as connection, progress_bar() as progress:
            task = progress.add_task("Following newcomers", total=3 * people)
            report = asyncio.run(follow_newcomers(plan, known, connection, on_step=lambda: progress.advance(task)))
        console.print(_newcomer_table(report))
        _write(report, json_file)


def _truth(settings: Settings, folder: Path | None) -> GroundTruth:
    return GroundTruth.read([folder] if folder else truth_folders(settings.neighborconnect_home))


def _password(settings: Settings, given: str | None) -> str:
    if given is None and not is_loopback(settings.database_url):
        raise TownError(
            "DATABASE_URL is on another machine, whose users got a random password when the town was loaded. "
            "Pass it with --password."
        )
    return given or DEMO_PASSWORD


def _quality_table(name: str, group: dict[str, Any], *, seed: int) -> Table:
    table = Table(title=f"{name}: ndcg@10 by the hidden preferences, seed {seed}")
    for heading in ("ranking", "people", "served", "95 % interval", "popularity", "random", "oracle"):
        table.add_column(heading)
    for kind, row in group["quality"].items():
        served = row["served"]
        table.add_row(
            kind,
            str(row["people"]),
            _number(served["mean"]),
            f"{_number(served['low'])} to {_number(served['high'])}",
            *(_number(row[other]["mean"]) for other in ("popularity", "random", "oracle")),
        )
    return table


def _composition_table(name: str, group: dict[str, Any]) -> Table:
    table = Table(title=f"{name}: the first ten items")
    for heading in (
        "kind",
        "not eligible",
        "median age",
        "under 72 h",
        "categories",
        "of one author",
        "of one connector",
        "not joined",
        "reasons",
        "unknown",
        "paths",
    ):
        table.add_column(heading)
    for kind, row in group["composition"].items():
        table.add_row(
            kind,
            f"{row['excluded_share']:.1%}",
            "" if math.isnan(row["median_age_hours"]) else f"{row['median_age_hours'] / 24:.1f} d",
            f"{row['fresh_share']:.0%}",
            f"{row['categories']:.1f}",
            f"{row['same_author_mean']:.1f} (max {row['same_author_max']})",
            f"{row['same_connector_mean']:.1f} (max {row['same_connector_max']})",
            f"{row['discovery_share']:.0%}",
            f"{row['distinct_reasons_share']:.0%}",
            str(row["unknown_items"]),
            ", ".join(f"{path} {count}" for path, count in row["paths"].items()),
        )
    return table


def _home_table(name: str, group: dict[str, Any], *, limit: int, seed: int) -> Table:
    table = Table(
        title=f"{name}: home feed, first page of {limit}, seed {seed}",
        caption="Mean over people with its 95 % interval. Utility is a share of the best as many items of the kind.",
    )
    table.add_column("measure")
    for page in group["home"]:
        table.add_column(page)
    pages = [*group["home"].values()]
    if not pages:
        return table
    rows = [
        (f"utility of {kind}s", [page["utility"][kind] for page in pages], "{:.3f}") for kind in pages[0]["utility"]
    ]
    rows += [(f"share of {kind}s", [page["shares"][kind] for page in pages], "{:.0%}") for kind in pages[0]["shares"]]
    rows += [
        ("not eligible (opened, liked, own)", [page["ineligible_share"] for page in pages], "{:.1%}"),
        ("categories in the first ten", [page["categories"] for page in pages], "{:.1f}"),
        ("share of the largest category", [page["largest_category_share"] for page in pages], "{:.0%}"),
        ("distinct reasons", [page["distinct_reasons_share"] for page in pages], "{:.0%}"),
    ]
    for measure, values, form in rows:
        table.add_row(measure, *(_with_interval(value, form=form) for value in values))
    table.add_row("median age of posts and items", *(f"{page['median_age_days']:.1f} d" for page in pages))
    table.add_row("people", *(str(page["people"]) for page in pages))
    return table


def _with_interval(value: dict[str, float], *, form: str) -> str:
    if math.isnan(value["mean"]):
        return ""
    mean, low, high = (form.format(value[name]) for name in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"


def _newcomer_table(report: dict[str, Any]) -> Table:
    table = Table(title=f"{report['people']} newcomers: expected clicks on the first ten posts, seed {report['seed']}")
    for heading in ("page", "served", "95 % interval", "popularity", "random", "oracle", "paths"):
        table.add_column(heading)
    for name, row in report["pages"].items():
        served = row["served"]
        table.add_row(
            name,
            f"{served['mean']:.2f}",
            f"{served['low']:.2f} to {served['high']:.2f}",
            *(f"{row[other]['mean']:.2f}" for other in ("popularity", "random", "oracle")),
            ", ".join(f"{path} {count}" for path, count in row["paths"].items()),
        )
    return table


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _write(report: dict[str, Any], path: Path | None) -> None:
    if path is None:
        return
    given = {"measured_at": datetime.now(UTC).isoformat(), **report}
    path.write_text(json.dumps(_finite(given), indent=2) + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    """Replace missing numbers by null, because JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
