"""Training by a recipe: its check, the window of the data, and one whole run of the matching models."""

from __future__ import annotations

import io
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from mlflow import MlflowClient
from rich.console import Console
from typer.testing import CliRunner

from models.progress import TrainingProgress
from models.tracking import HEADLINE, connect
from neighborconnect.contracts.models import CHAMPION, MATCHING_MODEL
from neighborconnect.settings import Settings
from pipelines.training import recipe_cli, recipe_runs, social_graph_snapshot
from pipelines.training.recipe import DataWindow, RecipeError, read_recipe
from tests.models.sample_graphs import community_graph

EXAMPLES = sorted((Path(__file__).parents[3] / "docs" / "recipes").iterdir())
DAY = datetime(2026, 10, 1, tzinfo=UTC)


def command(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(recipe_cli.train)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_the_examples_of_the_documentation_are_valid(file: Path) -> None:
    code, output = command("--recipe", str(file), "--check")
    assert (code, file.stem in output) == (0, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "family is missing"),
        ('family = "weather"', "there is no family 'weather': use one of"),
        ('family = "content"\nseeds = 1', "seeds is not a field of this family"),
        ('family = "vision"\n[data]\nsince = 2026-10-01T00:00:00Z', "data is not a field of this family"),
        ('family = "matching"\nseed = -1', "seed -1: input should be greater than or equal to 0"),
        (
            'family = "post_recommender"\n[parameters]\nfactors = 8\nalpha = 0.0\nregularization = 1',
            "parameters.alpha 0",
        ),
        ('family = "post_recommender"\n[parameters]\nfactors = 8', "parameters.alpha is missing"),
        ('family = "content"\n[data]\nsince = 2026-10-01T00:00:00', "data.since has no time zone"),
        (
            'family = "content"\n[data]\nsince = 2026-10-02T00:00:00Z\nuntil = 2026-10-01T00:00:00Z',
            "data: since must be before until",
        ),
        ("family = content", "is not TOML"),
    ],
)
def test_an_invalid_recipe_is_refused_by_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(text)
    code, output = command("--recipe", str(file))
    assert code == 1
    assert words in output
    assert output.count("\n") == 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"absent\.toml cannot be read"):
        read_recipe(tmp_path / "absent.toml")


def test_the_window_limits_the_interactions() -> None:
    rows = pl.DataFrame({"occurred_at": [DAY + timedelta(days=day) for day in range(4)]})
    window = DataWindow(since=DAY + timedelta(days=1), until=DAY + timedelta(days=3))
    assert recipe_runs.within(rows, window)["occurred_at"].to_list() == rows["occurred_at"].to_list()[1:3]
    assert window.applied_to("training/post_interactions@4").endswith(
        "@4 since 2026-10-02T00:00:00Z until 2026-10-04T00:00:00Z"
    )
    with pytest.raises(RecipeError, match="from 2026-10-01 to 2026-10-04"):
        recipe_runs.within(rows, DataWindow(until=DAY))


def test_the_window_limits_the_graph_and_excludes_undated_rows() -> None:
    graph = community_graph()
    times = DAY.timestamp() * 1e6 + np.arange(len(graph.follows)) * 1e6
    dated = replace(graph, followed_at=times.astype(np.int64))
    window = DataWindow(since=DAY + timedelta(seconds=10), until=DAY + timedelta(seconds=30))

    limited = recipe_runs.graph_within(dated, window)

    assert np.array_equal(limited.follows, graph.follows[10:30])
    assert len(limited.members) == 0
    with pytest.raises(RecipeError, match="No follow"):
        recipe_runs.graph_within(graph, window)


def test_a_training_promotes_its_version_only_on_request(
    tracked: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unserved = tracked.model_copy(update={"matching_url": None})
    monkeypatch.setattr(recipe_cli, "get_settings", lambda: unserved)
    monkeypatch.setattr(
        social_graph_snapshot, "read_newest", lambda _settings: (community_graph(), "social_graphs@20261001T000000")
    )
    connect(tracked)
    client = MlflowClient()
    client.create_registered_model(MATCHING_MODEL, description="an older description")
    file = tmp_path / "recipe.toml"
    file.write_text('family = "matching"\nseed = 5\n[parameters]\nregularization = 4')

    code, output = command("--recipe", str(file))

    assert code == 0, output
    assert "training the scorer of user matches" in output
    assert "pass --promote" in output
    registered = client.get_registered_model(MATCHING_MODEL)
    assert "model card" in registered.description
    assert CHAMPION not in registered.aliases
    [version] = registered.latest_versions
    run = client.get_run(version.run_id)
    assert run.data.params["regularization"] == "4.0"
    assert run.data.tags[HEADLINE].startswith("user_auc_trained")
    assert "| user_auc_trained |" in run.data.tags["mlflow.note.content"]
    [used] = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("social_graphs", "20261001T000000")
    assert json.loads(used.dataset.source)["uri"] == tracked.lake_path("social_graphs")
    assert json.loads(used.dataset.profile)["users"] == 200
    recipe = {"seed": 5, "family": "matching", "data": {}, "parameters": {"regularization": 4.0}}
    assert json.loads(run.data.tags["recipe"]) == recipe

    code, output = command("--recipe", str(file), "--promote")

    assert code == 0, output
    assert "the version is the champion" in output
    assert "MATCHING_URL is not set" in output
    assert client.get_registered_model(MATCHING_MODEL).aliases == {CHAMPION: "2"}


def test_output_without_a_terminal_gets_lines_in_long_steps() -> None:
    written = io.StringIO()
    with TrainingProgress(Console(file=written), silence_seconds=0.02) as progress:
        progress.step("training on 400 texts")
        for done in range(0, 401, 10):
            progress.advance(done, 400)
        while "still at: training on 400 texts: 400 of 400" not in written.getvalue():
            time.sleep(0.01)
    lines = written.getvalue().splitlines()
    assert sum("training on 400 texts:" in line for line in lines if "still" not in line) == 10
