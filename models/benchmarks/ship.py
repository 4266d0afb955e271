"""``python -m models.benchmarks.ship [--data PATH]``: train the weights that the repository ships.

Only on sets whose licences allow it (class A); each file says what it was trained on. About an hour on two cores.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress, TaskID, TimeElapsedColumn

from models.benchmarks.texts import MARKED, MARKING, SEED, banking, davidson, sentences, sms, wnut
from models.content.adapter import Adapter, to_bytes
from models.content.analyst import ENTITIES, MODERATION, SENTIMENT, SPAM
from models.content.data import LabelledTexts, labelled
from models.content.tuning import Progress as Told
from models.content.tuning import Settings, tune, tune_tokens

_DATA = {
    SPAM: "SMS Spam Collection v.1 (CC BY 4.0; Almeida, Gomez Hidalgo, Yamakami 2011)",
    SENTIMENT: "sentence polarity v1.0 (CC BY 4.0; Pang and Lee 2005)",
    MODERATION: "Davidson et al. 2017 (MIT), and harmless texts of the sets of the other tasks",
    ENTITIES: "WNUT17, train and dev (CC BY 4.0; Derczynski et al. 2017)",
}


def _draw(generator: np.random.Generator, texts: list[str], number: int) -> list[str]:
    return [texts[row] for row in generator.choice(len(texts), min(number, len(texts)), replace=False)]


def _ham(folder: Path) -> list[str]:
    data = sms(folder)
    return [text for text, label in zip(data.texts, data.labels, strict=True) if data.classes[label] == "ham"]


def _questions(folder: Path) -> list[str]:
    return [text for text, _ in banking(folder, "train")]


def feelings(folder: Path) -> LabelledTexts:
    """Return nine tenths of the sentences with a feeling; ``sentences`` of the benchmarks judges on the others."""
    train, _ = next(sentences(folder).folds(10, seed=SEED))
    return train


def unwanted(folder: Path) -> LabelledTexts:
    """Return hateful, offensive and other tweets, and harmless texts of other kinds."""
    tweets = davidson(folder)
    every = _ham(folder) + _questions(folder) + list(sentences(folder).texts)
    ordinary = _draw(np.random.default_rng(SEED), every, 4_000)
    return tweets.with_more(labelled([(text, "neither") for text in ordinary], classes=tweets.classes))


def _entities(folder: Path, progress: Told) -> Adapter:
    posts, how = wnut(folder, *MARKED), MARKING
    return tune_tokens(
        ENTITIES, posts.texts, posts.spans, classes=posts.classes, settings=how, seed=SEED, progress=progress
    )


def _of(task: str, load: Callable[[Path], LabelledTexts], *, epochs: int = 0) -> Callable[[Path, Told], Adapter]:
    how = Settings(epochs=epochs)
    return lambda folder, progress: tune(task, load(folder), settings=how, seed=SEED, progress=progress)


_TRAINERS: dict[str, Callable[[Path, Told], Adapter]] = {
    # Seen a third time, it finds spam in 2.8 % of 800 harmless sentences and questions of other sets, instead of 1.3 %.
    SPAM: _of(SPAM, sms, epochs=2),
    SENTIMENT: _of(SENTIMENT, feelings),
    MODERATION: _of(MODERATION, unwanted),
    ENTITIES: _entities,
}


def _show(progress: Progress, bar: TaskID, seen: int, of: int) -> None:
    progress.update(bar, completed=seen, total=of)


def main(
    tasks: Annotated[list[str] | None, typer.Argument(help=f"Any of {', '.join(_TRAINERS)}; all unless named.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the sets; else NEIGHBORCONNECT_DATA.")] = None,
) -> None:
    """Train the weights that the repository ships, and write them where they are shipped from."""
    folder, console = data or os.environ.get("NEIGHBORCONNECT_DATA"), Console()
    if folder is None:
        sys.exit("Say where the sets are, with --data or NEIGHBORCONNECT_DATA.")
    if unknown := set(tasks or ()) - _TRAINERS.keys():
        sys.exit(f"There is no task {', '.join(sorted(unknown))}: choose of {', '.join(_TRAINERS)}.")
    for task in tasks or _TRAINERS:
        with Progress(*Progress.get_default_columns(), TimeElapsedColumn(), console=console) as progress:
            adapter = _TRAINERS[task](Path(folder), partial(_show, progress, progress.add_task(task)))
        described = replace(adapter, card=adapter.card | {"data": _DATA[task]})
        path = Path(str(files("models.content") / "weights" / f"{task}.safetensors"))
        path.write_bytes(to_bytes(described))
        console.print(f"{task}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    typer.run(main)
