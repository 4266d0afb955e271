"""Records of pages: the order is built again from what is stored."""

from __future__ import annotations

import random

import pytest

from neighborconnect.feed.page_record import MAX_OTHERS, PAGE_RECORDS, PageRecord
from neighborconnect.feed.policy import ranking_policy
from neighborconnect.feed.reranking import Candidate, Carried, Dislikes, Page, Placed

POLICY = ranking_policy()
SEEDS = range(20)
PAGES_PER_SEED = 100


def candidates(chance: random.Random, *, first: int) -> list[Candidate[str]]:
    """Candidates as a source suggests them: many of one relevance, and groups that repeat."""
    return [
        Candidate(
            str(first + place),
            chance.choice([chance.random(), 0.5, 0.2]),
            age_days=chance.choice([None, chance.uniform(0, 3), chance.uniform(0, 40)]),
            author=chance.choice("abcdefgh"),
            connector=chance.choice("ijkl"),
            category=chance.choice(["", "gardening", "running"]),
        )
        for place in range(chance.choice([0, 5, 40, 150]))
    ]


def served(chance: random.Random) -> tuple[PageRecord, list[Placed[str]]]:
    """Return the record of a random page and the page."""
    fills = [candidates(chance, first=1_000 * number) for number in range(chance.randint(1, 4))]
    limit = chance.randint(1, 30)
    dislikes = Dislikes(authors={"a": chance.uniform(0, 3)}, categories={"running": chance.uniform(0, 2)})
    carried = Carried(authors={"b": chance.uniform(0, 2)}, connectors={"i": chance.uniform(0, 2)})
    page = Page[str](policy=POLICY, limit=limit, dislikes=dislikes, carried=carried)
    for fill in fills:
        page.fill(fill)
    record = PageRecord.of(
        policy=POLICY,
        limit=limit,
        dislikes=dislikes,
        carried=carried,
        fills=fills,
        placed=[one.item_id for one in page.items],
    )
    return record, page.items


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stored_record_builds_the_order_that_was_served(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(PAGES_PER_SEED):
        record, items = served(chance)
        assert PAGE_RECORDS.validate_json(PAGE_RECORDS.dump_json(record)).build() == items


def test_a_record_is_bounded_and_keeps_the_best_others() -> None:
    fill = [Candidate(str(place), 1.0 - place / 1_000, author=str(place), connector=str(place)) for place in range(500)]
    page = Page[str](policy=POLICY, limit=10)
    page.fill(fill)
    placed = [one.item_id for one in page.items]
    record = PageRecord.of(policy=POLICY, limit=10, dislikes=Dislikes(), carried=Carried(), fills=[fill], placed=placed)
    assert [one.item_id for one in record.fills[0]] == [str(place) for place in range(10 + MAX_OTHERS)]


def test_other_parameters_build_another_order_of_the_same_inputs() -> None:
    fill = [Candidate("old", 0.6, age_days=30.0, author="a"), Candidate("new", 0.5, age_days=0.0, author="b")]
    record = PageRecord.of(
        policy=POLICY, limit=2, dislikes=Dislikes(), carried=Carried(), fills=[fill], placed=["old", "new"]
    )
    ageless = POLICY.model_copy(
        update={
            "age": POLICY.age.model_copy(update={"floor": 1.0}),
            "fresh": POLICY.fresh.model_copy(update={"share": 0.0}),
        }
    )
    assert [one.item_id for one in record.build()] == ["new", "old"]
    assert [one.item_id for one in record.build(ageless)] == ["old", "new"]
    assert ageless.version != POLICY.version
