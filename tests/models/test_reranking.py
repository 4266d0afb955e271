"""A page: fresh items have their share, nobody and nothing fills it alone, and hides count."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neighborconnect.feed.policy import RankingPolicy, ranking_policy
from neighborconnect.feed.reranking import Candidate, Carried, Dislikes, Page, Placed

POLICY = ranking_policy()


def page(
    candidates: list[Candidate[int]],
    *,
    limit: int = 20,
    dislikes: Dislikes | None = None,
    policy: RankingPolicy = POLICY,
) -> list[Placed[int]]:
    built = Page[int](policy=policy, limit=limit, dislikes=dislikes)
    built.fill(candidates)
    return built.items


CANDIDATES = st.lists(
    st.builds(
        lambda *fields: fields,
        st.floats(0, 1),
        st.one_of(st.none(), st.floats(0, 40)),
        st.sampled_from("abcdefgh"),
        st.sampled_from("ijklmn"),
        st.sampled_from(["", "gardening", "running", "music"]),
        st.booleans(),
    ),
    max_size=60,
).map(lambda rows: [Candidate(place, *fields) for place, fields in enumerate(rows)])


@settings(max_examples=150)
@given(candidates=CANDIDATES, limit=st.integers(1, 25))
def test_a_page_is_full_ordered_free_of_repeats_and_fresh_enough(candidates: list[Candidate[int]], limit: int) -> None:
    placed = page(candidates, limit=limit)

    ids = [one.item_id for one in placed]
    scores = [one.score for one in placed]
    assert len(ids) == len(set(ids)) == min(limit, len(candidates))
    assert scores == sorted(scores, reverse=True)
    fresh = {one.item_id for one in candidates if one.age_days is not None and one.age_days < POLICY.fresh.days}
    assert len(fresh & set(ids)) >= min(len(fresh), math.ceil(POLICY.fresh.share * limit), len(ids))


@settings(max_examples=100)
@given(candidates=CANDIDATES)
def test_to_rank_a_page_again_changes_nothing(candidates: list[Candidate[int]]) -> None:
    once = page(candidates)
    by_id = {one.item_id: one for one in candidates}
    assert [one.item_id for one in page([by_id[one.item_id] for one in once])] == [one.item_id for one in once]


VARIETY = POLICY.variety


@settings(max_examples=150)
@given(candidates=CANDIDATES, limit=st.integers(5, 25))
def test_a_fifth_of_a_page_is_of_other_connectors(candidates: list[Candidate[int]], limit: int) -> None:
    placed = page(candidates, limit=limit)

    outside = {one.item_id for one in candidates if one.is_outside}
    assert sum(one.item_id in outside for one in placed) >= min(len(outside), math.ceil(limit / 5), len(placed))


@settings(max_examples=200)
@given(candidates=CANDIDATES)
def test_the_first_ten_repeat_only_without_others(candidates: list[Candidate[int]]) -> None:
    by_id = {one.item_id: one for one in candidates}
    first = [by_id[one.item_id] for one in page(candidates)][:10]

    left = dict(by_id)
    for place, one in enumerate(first):
        before = first[:place]

        def may_come_next(other: Candidate[int], before: list[Candidate[int]] = before) -> bool:
            return (
                sum(earlier.author == other.author for earlier in before) < 1
                and sum(earlier.connector == other.connector for earlier in before) < 3
            )

        assert may_come_next(one) or not any(map(may_come_next, left.values()))
        del left[one.item_id]


def test_the_first_ten_are_of_ten_authors() -> None:
    loud = [Candidate(place, 1.0, 1.0, f"a{place % 3}", "loud", f"k{place}") for place in range(20)]
    others = [Candidate(100 + place, 0.1, 10.0, f"b{place}", f"c{place}", f"l{place}") for place in range(20)]
    by_id = {one.item_id: one for one in loud + others}
    first = [by_id[one.item_id] for one in page(loud + others)][:10]
    assert len({one.author for one in first}) == 10
    assert sum(one.connector == "loud" for one in first) == 3


def test_other_connectors_are_spread_over_the_page() -> None:
    own = [Candidate(place, 1.0, 1.0, f"a{place}", f"c{place}", f"k{place}") for place in range(30)]
    outside = [Candidate(100 + place, 0.01, 1.0, f"b{place}", f"d{place}", "", True) for place in range(30)]  # noqa: FBT003
    places = [place for place, one in enumerate(page(own + outside), start=1) if one.item_id >= 100]
    assert places == [5, 10, 15, 20]


def test_one_author_does_not_fill_a_page_while_there_are_others() -> None:
    loud = [Candidate(place, 1.0, 10.0, "loud", f"c{place}", f"k{place}") for place in range(20)]
    others = [Candidate(100 + place, 0.1, 10.0, f"a{place}", f"d{place}", f"l{place}") for place in range(40)]
    authors = Counter(one.item_id < 100 for one in page(loud + others))
    assert authors[True] == math.ceil(POLICY.repeats.author.most_share * 20)


def test_a_page_for_one_favorite_has_a_second_category() -> None:
    loved = [Candidate(place, 1.0, 10.0, f"a{place}", f"c{place}", "gardening") for place in range(40)]
    liked = [Candidate(100 + place, 0.3, 10.0, f"b{place}", f"d{place}", "running") for place in range(40)]
    first = page(loved + liked)
    assert 0 < sum(one.item_id >= 100 for one in first) < 10


def test_sources_are_used_in_the_order_of_preference() -> None:
    built = Page[int](policy=POLICY, limit=3)
    built.fill([Candidate(1, 0.1)])
    built.fill([Candidate(2, 1.0), Candidate(3, 0.9), Candidate(4, 0.8)])
    assert [one.item_id for one in built.items] == [1, 2, 3]


@pytest.mark.parametrize("group", ["authors", "connectors", "categories"])
def test_a_hide_counts_against_what_is_like_the_hidden_item(group: str) -> None:
    hidden = Candidate(1, 0.8, None, "ann", "garden", "gardening")
    other = Candidate(2, 0.6, None, "bob", "track", "running")
    key = {"authors": "ann", "connectors": "garden", "categories": "gardening"}[group]
    assert [one.item_id for one in page([hidden, other])] == [1, 2]
    assert [one.item_id for one in page([hidden, other], dislikes=Dislikes(**{group: {key: 1.0}}))] == [2, 1]


@pytest.mark.parametrize("group", ["authors", "connectors", "categories"])
def test_more_like_this_raises_up_to_a_limit(group: str) -> None:
    liked = Candidate(1, 0.5, None, "ann", "garden", "gardening")
    key = {"authors": "ann", "connectors": "garden", "categories": "gardening"}[group]
    scores = [page([liked], dislikes=Dislikes(**{group: {key: count}}))[0].score for count in (1.0, 0.0, -0.5, -9.0)]
    assert scores == sorted(scores)
    assert scores[0] < scores[1] == 0.5 < scores[2]
    assert scores[3] == 0.5 * POLICY.hides.most


def test_three_hides_halve_the_share_of_a_subject() -> None:
    subjects = ("gardening", "running", "music", "cooking")
    candidates = [
        Candidate(4 * place + turn, 1.0 - place / 60, 10.0, f"a{place}-{turn}", f"c{turn}-{place % 10}", subject)
        for place in range(60)
        for turn, subject in enumerate(subjects)
    ]
    before = sum(one.item_id % 4 == 0 for one in page(candidates, limit=50))
    dislikes = Dislikes(categories={"gardening": 3.0})
    after = sum(one.item_id % 4 == 0 for one in page(candidates, limit=50, dislikes=dislikes))
    assert before >= 10
    assert after <= before / 2


def test_authors_of_the_page_before_lose_to_equal_others() -> None:
    first = Page[int](policy=POLICY, limit=2)
    first.fill([Candidate(0, 0.9, author="a", connector="c"), Candidate(1, 0.9, author="a", connector="d")])
    second = Page[int](policy=POLICY, limit=4, carried=first.carried)
    second.fill(
        [
            Candidate(2, 0.9, author="a", connector="e"),
            Candidate(3, 0.88, author="b", connector="c"),
            Candidate(4, 0.8, author="b", connector="f"),
        ]
    )
    assert [one.item_id for one in second.items] == [3, 2, 4]


@settings(max_examples=100)
@given(candidates=CANDIDATES, limit=st.integers(1, 25))
def test_carried_repeats_halve_with_each_page_and_vanish(candidates: list[Candidate[int]], limit: int) -> None:
    built = Page[int](policy=POLICY, limit=limit)
    built.fill(candidates)
    carried = built.carried
    authors = Counter(candidates[one.item_id].author for one in built.items)
    assert carried.authors == {author: POLICY.repeats.carry * number for author, number in authors.items()}
    for _ in range(12):
        carried = Page[int](policy=POLICY, limit=limit, carried=carried).carried
    assert carried == Carried()


@settings(max_examples=150)
@given(candidates=CANDIDATES, limit=st.integers(1, 25))
def test_carried_repeats_drop_nothing_and_fill_no_caps(candidates: list[Candidate[int]], limit: int) -> None:
    heavy = Carried(authors=dict.fromkeys("abcdefgh", 50.0), connectors=dict.fromkeys("ijklmn", 50.0))
    built = Page[int](policy=POLICY, limit=limit, carried=heavy)
    built.fill(candidates)
    assert len(built.items) == min(limit, len(candidates))
    scores = [one.score for one in built.items]
    assert scores == sorted(scores, reverse=True)
