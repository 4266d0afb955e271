"""``neighborconnect train``: train a model by a recipe."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from neighborconnect.settings import Settings, SettingsError, get_settings
from neighborconnect.telemetry import configure_logging
from pipelines.training.recipe import Recipe, RecipeError, read_recipe

_METRICS = 4


def train(
    *,
    recipe: Annotated[
        Path, typer.Option(help="TOML file, or JSON file with the ending .json, with the fields listed above.")
    ],
    promote: Annotated[
        bool, typer.Option("--promote", help="Make the version the champion if it passes its gate, and serve it.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Only check the recipe; read no data.")] = False,
) -> None:
    """Train a model by a recipe, and register the version in MLflow without serving it.

    A recipe has these fields; all but family are optional:

    - family: post_recommender, connector_recommender, event_recommender, item_recommender, content, matching or vision
    - seed: random seed, 20261 if left out
    - data.since, data.until: use data at or after, and before, these times (not for vision)
    - parameters: factors, alpha, regularization, damping, iterations (recommenders; a grid is searched without them);
      penalty (content); regularization (matching)

    Training reads the newest data set that the pipelines wrote. Progress goes to standard error: a live line on a
    terminal, elsewhere a line at each step and at least every 30 seconds. The run in MLflow has the recipe.

    Example: neighborconnect train --recipe docs/recipes/post_recommender.toml
    Example: neighborconnect train --recipe mine.toml --promote
    """
    try:
        checked = read_recipe(recipe)
        if check:
            typer.echo(f"{recipe} is a valid recipe of {checked.family}.")
            return
        settings = get_settings()
    except (RecipeError, SettingsError) as error:
        _fail(str(error))
    configure_logging("train", level="WARNING", log_format=settings.neighborconnect_log_format)
    # MLflow prints links and progress of its own.
    _train(settings, checked, promote=promote, console=Console(stderr=True))


def _train(settings: Settings, recipe: Recipe, *, promote: bool, console: Console) -> None:
    from deltalake.exceptions import TableNotFoundError
    from mlflow.exceptions import MlflowException

    from models.progress import TrainingProgress
    from pipelines.training.lifecycle import reload_services
    from pipelines.training.recipe_runs import log_recipe, promote_result, train_recipe

    began, promoted = time.time(), False
    try:
        with TrainingProgress(console) as progress:
            progress.step(f"training {recipe.family}")
            result = train_recipe(settings, recipe, progress=progress.step)
            log_recipe(settings, recipe, result, since=began)
            if promote:
                progress.step("promoting the version if it passed its gate")
                promoted = promote_result(settings, recipe, result)
    except (TableNotFoundError, LookupError):
        _fail("The pipelines have not written this data yet; run `python -m pipelines.bootstrap` first.")
    except (RecipeError, MlflowException, OSError) as error:
        _fail(str(error).partition("\n")[0])
    _report(settings, result, promote=promote, promoted=promoted)
    for failure in reload_services(settings, recipe.family) if promoted else []:
        typer.echo(f"warning: {failure}", err=True)


def _report(settings: Settings, result: Any, *, promote: bool, promoted: bool) -> None:
    typer.echo(f"version: {result.model_version} (version {result.registry_version} in MLflow)")
    for name, value in list(result.metrics.items())[:_METRICS]:
        typer.echo(f"  {name}: {value:.4g}")
    for reason in result.reasons:
        typer.echo(f"  - {reason}")
    if promoted:
        typer.echo("promoted: the version is the champion.")
    elif not result.promote:
        typer.echo("not promoted: see the reasons above.")
    elif not promote:
        typer.echo("not promoted: pass --promote to serve a version that passes its gate.")
    typer.echo(f"run: {settings.mlflow_tracking_uri}/#/runs/{result.run_id}")


def _fail(reason: str) -> NoReturn:
    typer.echo(f"error: {reason}", err=True)
    raise typer.Exit(1) from None
