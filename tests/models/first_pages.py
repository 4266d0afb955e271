"""Print the first page of posts of eight people: ``python -m tests.models.first_pages --users 300 --seed 1``.

Before is the order of the scores alone, then what is served; ndcg@10 compares each with the simulator's hidden truth
among the posts that the mask leaves.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from rich.console import Console

from models.recommendation.masks import mask_users
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import RankRequest
from neighborconnect.feed.eligibility import Exclusion
from neighborconnect.feed.policy import ranking_policy
from tests.models.simulated import END, Simulated, age_of, simulate

PAGE, JUDGED = 20, 10
console = Console(width=160, highlight=False)


@dataclass(frozen=True)
class FirstPage:
    """First page of one person, with its comparison to the hidden truth."""

    person: int
    posts: tuple[str, ...]
    liked: int
    ages: tuple[timedelta, ...]
    categories: Counter[str]
    ndcg: float

    @property
    def fresh(self) -> int:
        """How many posts are younger than the policy's days."""
        return sum(age < timedelta(days=ranking_policy().fresh.days) for age in self.ages)


def describe(world: Simulated, person: int, posts: Sequence[str]) -> FirstPage:
    """Measure a page."""
    user_id = world.user_ids[person]
    mask = world.masks[user_id]
    category = dict(world.items.select("item_id", "category").iter_rows())
    ages = age_of(world.items)
    appeal = dict(zip(world.items["item_id"], world.appeal(person).tolist(), strict=True))
    ideal = sorted((value for post, value in appeal.items() if mask.reason(post) is None), reverse=True)[:JUDGED]
    discounts = 1.0 / np.log2(np.arange(2, JUDGED + 2))
    gains = np.array([appeal[post] for post in posts[:JUDGED]])
    return FirstPage(
        person=person,
        posts=tuple(posts),
        liked=sum(mask.reason(post) is Exclusion.LIKED for post in posts),
        ages=tuple(ages[post] for post in posts),
        categories=Counter(category[post] for post in posts),
        ndcg=float((gains * discounts[: len(gains)]).sum() / (np.array(ideal) * discounts[: len(ideal)]).sum()),
    )


def served(world: Simulated, person: int) -> FirstPage:
    """Return the page that the bento serves, masked as the API asks for it."""
    user_id = world.user_ids[person]
    mask = world.masks[user_id]
    request = RankRequest(
        request_id="r",
        user_id=user_id,
        item_kind=ItemKind.POST,
        limit=PAGE,
        exclude=[*mask.excluded, *mask.shown],
    )
    answer = world.predictor.rank(request, user=world.profile(user_id), at=END)
    return describe(world, person, [one.item_id for one in answer.items])


def by_score(world: Simulated, person: int, *, masked: bool) -> FirstPage:
    """Return the page by the scores alone."""
    user_id, index = world.user_ids[person], world.predictor.index
    scores = world.predictor.scores(world.profile(user_id)).copy()
    mask = world.masks[user_id]
    if masked:
        scores[[row for row, post in enumerate(index.item_ids) if mask.reason(post) is not None]] = -np.inf
    return describe(world, person, [index.item_ids[row] for row in np.argsort(-scores, kind="stable")[:PAGE]])


def people_of(world: Simulated, *, count: int) -> list[int]:
    """Return people with factors, spread over the town."""
    known = [person for person, user_id in enumerate(world.user_ids) if user_id in world.vectors]
    return known[:: max(1, len(known) // count)][:count]


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    world = simulate(users=asked.users, seed=asked.seed)
    masks = mask_users(world.acts, kind=ItemKind.POST, at=END)
    console.print(f"{len(world.items)} posts, {len(masks)} people with acts")
    pages = [
        (by_score(world, person, masked=False), by_score(world, person, masked=True), served(world, person))
        for person in people_of(world, count=8)
    ]
    for before, _, after in pages:
        for name, one in (("before", before), ("served", after)):
            ages = sorted(age.days for age in one.ages)
            console.print(
                f"person {one.person:4d} {name}: {one.liked:2d} liked, {one.fresh:2d} fresh, "
                f"median age {ages[len(ages) // 2]:2d} days, {dict(one.categories)}"
            )
    every = [
        (by_score(world, person, masked=False), by_score(world, person, masked=True), served(world, person))
        for person in people_of(world, count=100)
    ]
    for name, column in (("no mask", 0), ("mask only", 1), ("served", 2)):
        console.print(f"ndcg@{JUDGED} of 100 people, {name}: {np.mean([row[column].ndcg for row in every]):.3f}")


if __name__ == "__main__":
    _main()
