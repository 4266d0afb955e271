"""What a town promises before it is loaded anywhere."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from datetime import UTC, datetime

import numpy as np
import pytest

from simulator.columns import draw_ids
from simulator.feeds import pair_key
from simulator.history import build_town
from simulator.rows import town_rows
from simulator.spec import DAY_SECONDS, TownSpec
from simulator.town import Item, Kind, Town

END = datetime(2026, 5, 4, 18, 30, tzinfo=UTC)

SMALL = TownSpec(users=40, days=4, seed=11, end=END)


def fingerprint(spec: TownSpec) -> str:
    digest = hashlib.sha256()
    town = build_town(spec)
    for table, rows in town_rows(town, draw_ids(town), password_hash="-"):
        digest.update(table.encode())
        digest.update(rows.write_csv().encode())
    return digest.hexdigest()


def joined_at(town: Town) -> dict[int, float]:
    """Return when each pair of person and connector came together."""
    pairs = pair_key(town.memberships.user, town.memberships.connector)
    return dict(zip(pairs.tolist(), town.memberships.joined.tolist(), strict=True))


def test_same_seed_makes_the_same_town_to_the_last_letter() -> None:
    assert fingerprint(SMALL) == fingerprint(SMALL)


@pytest.mark.parametrize("change", [{"seed": 12}, {"first_number": 40}])
def test_another_seed_or_number_makes_another_town(change: dict[str, int]) -> None:
    assert fingerprint(SMALL) != fingerprint(replace(SMALL, **change))


def test_size_follows_the_order(town: Town) -> None:
    assert town.people.count == 150
    assert 0.8 < len(town.interactions) / town.spec.target_interactions < 1.25
    assert set(town.connectors.category) == set(range(len(town.vocabulary.categories)))


def test_nothing_happens_after_the_end_or_before_its_cause(town: Town) -> None:
    end = town.spec.days * DAY_SECONDS
    acts = town.interactions
    assert acts.at.min() >= 0
    assert acts.at.max() < end
    assert (acts.at >= town.people.arrived[acts.user]).all()
    of_posts = acts.take(acts.item_kind == Item.POST)
    assert (of_posts.at >= town.posts.created[of_posts.item]).all()
    of_connectors = acts.take(acts.item_kind == Item.CONNECTOR)
    assert (of_connectors.at >= town.connectors.created[of_connectors.item]).all()
    assert (town.memberships.joined >= town.connectors.created[town.memberships.connector]).all()
    assert max(town.memberships.joined.max(), town.likes.at.max(), town.comments.at.max()) < end


def test_authors_had_joined_before_they_wrote(town: Town) -> None:
    joined = joined_at(town)
    keys = pair_key(town.posts.author, town.posts.connector).tolist()
    assert all(joined[key] <= at for key, at in zip(keys, town.posts.created.tolist(), strict=True))


def test_events_are_to_come_and_answered_by_members_whom_they_have_room_for(town: Town) -> None:
    events, answers, end = town.events, town.answers, town.spec.days * DAY_SECONDS
    joined = joined_at(town)
    assert len(events) > len(town.connectors) / 2
    assert (events.created < end).all()
    assert (end < events.starts).all()
    assert (events.starts < events.ends).all()
    assert (events.starts < end + 15 * DAY_SECONDS).all()
    hosts = pair_key(events.host, events.connector).tolist()
    assert all(joined[key] <= at for key, at in zip(hosts, events.created.tolist(), strict=True))
    who = pair_key(answers.user, events.connector[answers.event]).tolist()
    assert all(joined[key] <= at for key, at in zip(who, answers.at.tolist(), strict=True))
    assert len(np.unique(pair_key(answers.user, answers.event))) == len(answers)
    assert answers.maybe.any()
    coming = np.bincount(answers.event[~answers.maybe], minlength=len(events))
    assert (coming >= 1).all()
    assert ((events.room == 0) | (coming <= events.room)).all()
    assert 0 < np.count_nonzero(events.room) < len(events)


def test_houses_and_connectors_lie_in_their_neighbourhood(town: Town) -> None:
    house, home = town.people.house, town.people.home
    known = ~np.isnan(house).any(axis=1)
    assert 0.6 < known.mean() < 0.95
    middle = np.stack([house[known & (home == number)].mean(axis=0) for number in range(home.max() + 1)])
    own = town.connectors.home >= 0
    for place, number in ((house[known], home[known]), (town.connectors.place[own], town.connectors.home[own])):
        metres = np.hypot(*((place[:, None] - middle).transpose(2, 0, 1) * [[[111_195]], [[79_580]]]))
        assert (metres[np.arange(len(place)), number] < 2_000).all()
        assert (metres.argmin(axis=1) == number).mean() > 0.7


def test_nobody_likes_joins_or_follows_twice_and_nobody_follows_oneself(town: Town) -> None:
    pairs = (
        (town.likes.user, town.likes.post),
        (town.memberships.user, town.memberships.connector),
        (town.ties.follower, town.ties.followee),
    )
    for one, other in pairs:
        assert len(np.unique(pair_key(one, other))) == len(one)
    assert (town.ties.follower != town.ties.followee).all()


def test_replies_answer_an_earlier_comment_of_the_same_post(town: Town) -> None:
    replies = np.flatnonzero(town.comments.parent >= 0)
    parents = town.comments.parent[replies]
    assert len(replies) > 10
    assert (parents < replies).all()
    assert (town.comments.post[parents] == town.comments.post[replies]).all()


def test_every_click_was_shown_in_the_same_feed(town: Town) -> None:
    def keys(kind: Kind) -> set[tuple[int, ...]]:
        rows = town.interactions.take(town.interactions.kind == kind)
        return set(zip(rows.request, rows.item_kind, rows.item, rows.position, strict=True))

    assert keys(Kind.CLICK) <= keys(Kind.IMPRESSION)
    assert keys(Kind.DWELL) == keys(Kind.CLICK)


def test_people_open_what_they_care_for_far_more_often(town: Town) -> None:
    acts = town.interactions.take(town.interactions.item_kind == Item.POST)
    category = np.repeat(
        np.arange(len(town.vocabulary.categories)), [len(one.themes) for one in town.vocabulary.categories]
    )[town.posts.theme[acts.item]]
    favourite = town.people.tastes.favourites[acts.user, category]

    def click_rate(of: np.ndarray) -> float:
        return float((of & (acts.kind == Kind.CLICK)).sum() / (of & (acts.kind == Kind.IMPRESSION)).sum())

    assert click_rate(favourite) > 4 * click_rate(~favourite)


def test_higher_places_are_opened_more_often(town: Town) -> None:
    acts = town.interactions.take(town.interactions.item_kind == Item.POST)
    shown, opened = (
        np.bincount(acts.position[acts.kind == kind], minlength=10) for kind in (Kind.IMPRESSION, Kind.CLICK)
    )
    rate = opened / shown
    assert rate[:3].mean() > 1.3 * rate[-3:].mean()


def test_some_posts_are_far_more_popular_and_nights_are_quiet(town: Town) -> None:
    likes = np.sort(np.bincount(town.likes.post, minlength=len(town.posts)))[::-1]
    assert likes[: len(likes) // 5].sum() > 0.4 * likes.sum()
    utc_hour = ((town.interactions.at + (town.spec.start.hour + 0.5) * 3600) // 3600 % 24).astype(int)
    pacific = np.bincount((utc_hour - 7) % 24, minlength=24)
    assert pacific[2:5].sum() < 0.25 * pacific[18:21].sum()


def test_no_two_fields_of_a_table_differ_in_length(town: Town) -> None:
    for table in (
        town.connectors,
        town.memberships,
        town.ties,
        town.posts,
        town.likes,
        town.comments,
        town.interactions,
    ):
        assert {len(getattr(table, field.name)) for field in fields(table)} == {len(table)}


def test_a_town_without_neighbours_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 users"):
        TownSpec(users=1, days=1, seed=1, end=END)


def test_only_members_comment(town: Town) -> None:
    members = np.sort(pair_key(town.memberships.user, town.memberships.connector))
    commented = pair_key(town.comments.user, town.posts.connector[town.comments.post])
    assert np.isin(commented, members).all()
