"""Closed loop: people of a simulated town live with a policy that learns from their reactions to it.

``python -m benchmarks.closed_loop --users 300 --history 14 --days 14 --seeds 5``. The served policy (predictor,
re-ranking, masks, retrained every day on the logged acts) is compared with popularity, random order and an oracle, over
the same people, posts, requests and random numbers. All policies obey the same masks. There is no server: features are
computed at every refresh of the item index, which the platform does more often.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Final

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from scipy.stats import t as student_t

from benchmarks.living_town import LivingTown, Shown
from benchmarks.loop_policies import POLICIES, Log
from models.recommendation.scoring import FloatArray
from neighborconnect.contracts.events import ItemKind
from neighborconnect.feed.eligibility import Mask, mask_of
from simulator.spec import DAY_SECONDS

REFRESHES_PER_DAY: Final = 4
NEWCOMER_SECONDS: Final = 7 * DAY_SECONDS
_CONFIDENCE: Final = 0.95


@dataclass
class Outcome:
    """Result of one policy in one town.

    Attributes:
        expected_likes: sum over all shown posts of the true probability to be opened and liked: cumulative utility.
        expected_clicks: the same of being opened.
        likes: drawn likes.
        requests: number of requests.
        authors: impressions by author, for all authors of posts that existed.
        by_person: impressions by category of each person.
        newcomer_impressions: impressions of posts whose author had arrived within the week before.
        repeats: shown posts that the mask excludes; must be zero.
    """

    expected_likes: float = 0.0
    expected_clicks: float = 0.0
    likes: int = 0
    requests: int = 0
    impressions: int = 0
    newcomer_impressions: int = 0
    repeats: int = 0
    authors: Counter[int] = field(default_factory=Counter)
    by_person: dict[int, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, world: LivingTown, shown: Shown, *, mask: Mask[str]) -> None:
        """Count a page."""
        town, choice = world.town, world.town.choice_model
        examined = choice.examined(np.arange(len(shown.posts)))
        clicks = examined * choice.click(shown.utility)
        self.expected_clicks += float(clicks.sum())
        self.expected_likes += float((clicks * choice.agree(shown.utility)).sum())
        self.likes += int(shown.reactions.accepted.sum())
        self.requests += 1
        self.impressions += len(shown.posts)
        authors = town.posts.author[shown.posts]
        self.newcomer_impressions += int((town.people.arrived[authors] > shown.request.at - NEWCOMER_SECONDS).sum())
        self.repeats += sum(world.post_ids[post] in mask.excluded for post in shown.posts.tolist())
        self.authors.update(authors.tolist())
        categories = town.connectors.category[town.posts.connector[shown.posts]]
        self.by_person[shown.request.user].update(categories.tolist())

    def metrics(self, world: LivingTown) -> dict[str, float]:
        """Return the figures of the table."""
        posts = world.town.posts
        counts = np.array([self.authors[author] for author in np.unique(posts.author).tolist()], dtype=np.float64)
        entropies = [_entropy(counter) for counter in self.by_person.values()]
        return {
            "utility": self.expected_likes,
            "utility per request": self.expected_likes / max(1, self.requests),
            "clicks per request": self.expected_clicks / max(1, self.requests),
            "likes": float(self.likes),
            "category entropy, bits": float(np.mean(entropies)) if entropies else 0.0,
            "author Gini": gini(counts),
            "newcomer exposure": self.newcomer_impressions / max(1, self.impressions),
            "excluded posts shown": float(self.repeats),
        }


def gini(counts: FloatArray) -> float:
    """Return the Gini coefficient: 0 if all are equal, near 1 if one has everything."""
    if not counts.sum():
        return 0.0
    ordered = np.sort(counts)
    ranks = np.arange(1, len(ordered) + 1)
    return float((2 * (ranks * ordered).sum() / ordered.sum() - len(ordered) - 1) / len(ordered))


def _entropy(counts: Counter[int]) -> float:
    shares = np.array(list(counts.values()), dtype=np.float64) / sum(counts.values())
    return float(-(shares * np.log2(shares)).sum())


def live(world: LivingTown, policy_name: str, *, on_day: Callable[[], None] = lambda: None) -> Outcome:
    """Let the people of a town live with a policy until its end."""
    log, outcome = Log(world), Outcome()
    policy = POLICIES[policy_name](world, log)
    user_ids = world.ids.users.to_list()
    for day in range(world.history_days, world.town.spec.days):
        midnight = float(day * DAY_SECONDS)
        policy.retrain(day=day - world.history_days, at=midnight)
        refreshed = -1
        for request in world.requests_on(day):
            part = int((request.at - midnight) // (DAY_SECONDS / REFRESHES_PER_DAY))
            if part > refreshed:
                policy.refresh(at=midnight + part * DAY_SECONDS / REFRESHES_PER_DAY)
                refreshed = part
            user_id = user_ids[request.user]
            mask = mask_of(log.of(user_id), item_kind=ItemKind.POST.value, at=world.time(request.at))
            shown = world.react(request, policy.page(request, mask))
            outcome.add(world, shown, mask=mask)
            log.add(user_id, world.acts_of(shown))
        on_day()
    return outcome


def interval_over_seeds(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean and its 95 % interval by Student's t over seeds; an infinite one for a single seed."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, -math.inf, math.inf
    half = float(
        student_t.ppf((1 + _CONFIDENCE) / 2, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    )
    return mean, mean - half, mean + half


def compare(
    *,
    users: int,
    history_days: int,
    days: int,
    seeds: Sequence[int],
    on_day: Callable[[str], None] = lambda _policy: None,
) -> dict[str, list[dict[str, float]]]:
    """Return the metrics of each policy, one entry per seed."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in POLICIES}
    for seed in seeds:
        world = LivingTown.build(users=users, history_days=history_days, days=days, seed=seed)
        for name in POLICIES:
            outcome = live(world, name, on_day=partial(on_day, name))
            found[name].append(outcome.metrics(world))
    return found


def tables(found: dict[str, list[dict[str, float]]], *, title: str) -> list[Table]:
    """Return the metrics with intervals, and the lead of the served policy over the others on the same seeds."""
    metrics = Table(title=title)
    metrics.add_column("metric")
    for name in found:
        metrics.add_column(name, justify="right")
    for metric in next(iter(found.values()))[0]:
        metrics.add_row(metric, *(_cell([row[metric] for row in rows]) for rows in found.values()))
    lead = Table(title="lead of the served policy in utility, by seed")
    for heading in ("over", "mean", "95 % interval"):
        lead.add_column(heading)
    for name in (other for other in found if other != "served"):
        shares = [
            served["utility"] / other["utility"] - 1.0
            for served, other in zip(found["served"], found[name], strict=True)
        ]
        mean, low, high = interval_over_seeds(shares)
        lead.add_row(name, f"{mean:+.1%}", f"{low:+.1%} to {high:+.1%}" if math.isfinite(low) else "one seed")
    return [metrics, lead]


def _cell(values: Sequence[float]) -> str:
    mean, low, high = interval_over_seeds(values)
    digits = 0 if abs(mean) >= 100 else 3
    text = f"{mean:,.{digits}f}"
    return f"{text} [{low:,.{digits}f}, {high:,.{digits}f}]" if math.isfinite(low) else text


def main(
    users: Annotated[int, typer.Option(min=10, help="Number of people at the end.")] = 300,
    history: Annotated[int, typer.Option(min=2, help="Days of history before the policies decide.")] = 14,
    days: Annotated[int, typer.Option(min=1, help="Days with the policies.")] = 14,
    seeds: Annotated[int, typer.Option(min=1, help="Number of towns; the first has seed 1.")] = 5,
) -> None:
    """Let simulated people live with the served feed, with popularity and with random order."""
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("days", total=days * seeds * len(POLICIES))

        def on_day(policy: str) -> None:
            progress.update(task, advance=1, description=policy)

        found = compare(users=users, history_days=history, days=days, seeds=range(1, seeds + 1), on_day=on_day)
    console.print(*tables(found, title=f"{users} people, {days} days after {history}, {seeds} seeds, 95 % intervals"))


if __name__ == "__main__":
    typer.run(main)
