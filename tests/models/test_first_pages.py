"""First pages of posts in a simulated town, made by the real trainer and predictor."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.recommendation.pages import page_order
from neighborconnect.feed.policy import ranking_policy
from tests.models.first_pages import PAGE, FirstPage, by_score, people_of, served
from tests.models.simulated import END, Simulated, age_of, simulate

PEOPLE = 40


@pytest.fixture(scope="module")
def world() -> Simulated:
    return simulate(users=150)


@pytest.fixture(scope="module")
def pages(world: Simulated) -> list[FirstPage]:
    return [served(world, person) for person in people_of(world, count=PEOPLE)]


def test_liked_opened_own_and_recently_shown_posts_are_absent(world: Simulated, pages: list[FirstPage]) -> None:
    for page in pages:
        mask = world.masks[world.user_ids[page.person]]
        assert len(page.posts) == PAGE
        assert [post for post in page.posts if mask.reason(post) is not None] == []


def test_a_third_of_a_page_is_younger_than_three_days(world: Simulated, pages: list[FirstPage]) -> None:
    fresh_days = ranking_policy().fresh.days
    ages = age_of(world.items)
    for page in pages:
        mask = world.masks[world.user_ids[page.person]]
        there = sum(age.days < fresh_days and mask.reason(post) is None for post, age in ages.items())
        assert page.fresh >= min(there, math.ceil(PAGE / 3))


def test_nobody_sees_one_category_only(pages: list[FirstPage]) -> None:
    for page in pages:
        assert len(page.categories) >= 2
        assert max(page.categories.values()) <= 0.75 * PAGE


def test_a_page_follows_the_true_taste(world: Simulated, pages: list[FirstPage]) -> None:
    masked = [by_score(world, page.person, masked=True) for page in pages]
    served_ndcg = np.mean([page.ndcg for page in pages])
    # Truth knows no age: what freshness and variety cost is bounded, and chance would be far below.
    assert served_ndcg >= 0.9 * np.mean([page.ndcg for page in masked])
    assert served_ndcg >= 0.6


def test_the_same_request_gives_the_same_page(world: Simulated, pages: list[FirstPage]) -> None:
    assert served(world, pages[0].person) == pages[0]


def test_offline_evaluation_measures_the_page_that_is_served(world: Simulated, pages: list[FirstPage]) -> None:
    index = world.predictor.index
    order = page_order(index.attributes, policy=ranking_policy(), at=END)
    for page in pages[:5]:
        user_id = world.user_ids[page.person]
        scores = world.predictor.scores(world.profile(user_id)).copy()
        scores[
            [row for row, post in enumerate(index.item_ids) if world.masks[user_id].reason(post) is not None]
        ] = -np.inf
        assert tuple(index.item_ids[row] for row in order(scores, PAGE)) == page.posts
