"""Invariants of a simulated town."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest

from simulator.columns import draw_ids
from simulator.feeds import pair_key
from simulator.goods import Deal
from simulator.history import build_town
from simulator.reactions import Utility
from simulator.rows import town_rows
from simulator.spec import DAY_SECONDS, TownSpec
from simulator.town import Interactions, Item, Kind, Reply, Town

END = datetime(2026, 5, 4, 18, 30, tzinfo=UTC)

SMALL = TownSpec(users=40, days=4, seed=11, end=END)


def fingerprint(spec: TownSpec) -> str:
    digest = hashlib.sha256()
    town = build_town(spec)
    for table, rows in town_rows(town, draw_ids(town), password_hash="-"):
        digest.update(table.encode())
        digest.update(rows.write_csv().encode())
    return digest.hexdigest()


@cache
def small_fingerprint() -> str:
    return fingerprint(SMALL)


def joined_at(town: Town) -> dict[int, float]:
    """Return the time of each membership, by pair key of person and connector."""
    pairs = pair_key(town.memberships.user, town.memberships.connector)
    return dict(zip(pairs.tolist(), town.memberships.joined.tolist(), strict=True))


def test_same_seed_yields_identical_rows() -> None:
    assert fingerprint(SMALL) == small_fingerprint()


@pytest.mark.parametrize("change", [{"seed": 12}, {"first_number": 40}])
def test_another_seed_or_number_yields_another_town(change: dict[str, int]) -> None:
    assert small_fingerprint() != fingerprint(replace(SMALL, **change))


def test_size_follows_the_spec(town: Town) -> None:
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


def test_events_are_before_and_after_the_end_and_within_capacity(town: Town) -> None:
    events, rsvps, end = town.events, town.rsvps, town.spec.days * DAY_SECONDS
    joined = joined_at(town)
    is_past = events.ends < end
    assert (~is_past).sum() > len(town.connectors) / 2
    assert is_past.sum() > len(town.connectors) / 3
    assert (events.created < np.minimum(events.starts, end)).all()
    assert (events.starts < events.ends).all()
    assert (events.starts < end + 15 * DAY_SECONDS).all()
    hosts = pair_key(events.host, events.connector).tolist()
    assert all(joined[key] <= at for key, at in zip(hosts, events.created.tolist(), strict=True))
    who = pair_key(rsvps.user, events.connector[rsvps.event]).tolist()
    assert all(joined[key] <= at for key, at in zip(who, rsvps.at.tolist(), strict=True))
    assert (events.created[rsvps.event] < rsvps.at).all()
    assert (rsvps.at < np.minimum(events.starts[rsvps.event], end)).all()
    assert len(np.unique(pair_key(rsvps.user, rsvps.event))) == len(rsvps)
    assert set(rsvps.status.tolist()) == set(Reply)
    attendee_counts = rsvps.attendee_counts(events=len(events))
    assert (attendee_counts >= 1).all()
    assert ((events.capacity == 0) | (attendee_counts <= events.capacity)).all()
    assert 0 < np.count_nonzero(events.capacity) < len(events)
    attending = rsvps.take(rsvps.status == Reply.ATTENDING)
    assert 0.6 < attending.came[is_past[attending.event]].mean() < 0.97
    assert not rsvps.came[~is_past[rsvps.event]].any()


def test_nobody_overtakes_the_waitlist(town: Town) -> None:
    rsvps = town.rsvps
    waits_since = np.full(len(town.events), np.inf)
    waiting = rsvps.take(rsvps.status == Reply.WAITING)
    np.minimum.at(waits_since, waiting.event, waiting.at)
    attending = rsvps.take(rsvps.status == Reply.ATTENDING)
    assert (attending.at < waits_since[attending.event]).all()


def test_deals_follow_views_and_reviews_follow_deals(town: Town) -> None:
    market, end = town.marketplace, town.spec.days * DAY_SECONDS
    goods, views, deals, reviews = market.goods, market.views, market.purchases, market.reviews
    assert len(deals) > 10
    assert len(reviews) > 5
    joined = joined_at(town)
    sellers = pair_key(goods.seller, goods.connector).tolist()
    assert all(joined[key] <= at for key, at in zip(sellers, goods.created.tolist(), strict=True))
    assert (views.user != goods.seller[views.goods]).all()
    assert (goods.created[views.goods] < views.at).all()
    viewed_at = dict(zip(pair_key(views.user, views.goods).tolist(), views.at.tolist(), strict=True))
    bought = pair_key(deals.buyer, deals.goods).tolist()
    assert all(viewed_at[key] < at < end for key, at in zip(bought, deals.at.tolist(), strict=True))
    assert len(np.unique(deals.goods)) == len(deals)
    assert (goods.reserved_by[deals.goods] == -1).all()
    assert (deals.status[reviews.purchase] == Deal.COMPLETED).all()
    assert (deals.closed[reviews.purchase] < reviews.at).all()
    assert (reviews.at < end).all()
    assert (views.at < end).all()


def test_members_review_and_vote_after_they_joined(town: Town) -> None:
    reviews, votes, joined = town.reviews, town.review_votes, joined_at(town)
    keys = pair_key(reviews.user, reviews.connector).tolist()
    assert all(joined[key] < at for key, at in zip(keys, reviews.at.tolist(), strict=True))
    assert len(set(keys)) == len(keys)
    assert (votes.user != reviews.user[votes.review]).all()
    assert (votes.at >= reviews.at[votes.review]).all()
    assert max(reviews.at.max(), votes.at.max()) < town.spec.days * DAY_SECONDS


def test_wanted_items_and_events_are_opened_more_often(town: Town) -> None:
    follows = np.sort(pair_key(town.follows.follower, town.follows.followee))
    utility = Utility(town.people, town.connectors, town.choice_model, follows)
    for kind, utility_of in (
        (Item.GOODS, lambda acts: utility.of_goods(town.marketplace.goods, acts.user, acts.item)),
        (Item.EVENT, lambda acts: utility.of_events(town.events, acts.user, acts.item)),
    ):
        acts = town.browsing.take(town.browsing.item_kind == kind)
        is_wanted = utility_of(acts) > 1.0

        def rate(of: np.ndarray, acts: Interactions = acts) -> float:
            return float((of & (acts.kind == Kind.CLICK)).sum() / (of & (acts.kind == Kind.IMPRESSION)).sum())

        assert rate(is_wanted) > 1.5 * rate(~is_wanted)


def test_homes_and_connectors_are_in_their_neighborhood(town: Town) -> None:
    home_point, home = town.people.home_point, town.people.home
    known = ~np.isnan(home_point).any(axis=1)
    assert 0.6 < known.mean() < 0.95
    middle = np.stack([home_point[known & (home == number)].mean(axis=0) for number in range(home.max() + 1)])
    own = town.connectors.home >= 0
    for place, number in ((home_point[known], home[known]), (town.connectors.location[own], town.connectors.home[own])):
        meters = np.hypot(*((place[:, None] - middle).transpose(2, 0, 1) * [[[111_195]], [[79_580]]]))
        assert (meters[np.arange(len(place)), number] < 2_000).all()
        assert (meters.argmin(axis=1) == number).mean() > 0.7


def test_likes_memberships_and_follows_are_unique(town: Town) -> None:
    pairs = (
        (town.likes.user, town.likes.post),
        (town.memberships.user, town.memberships.connector),
        (town.follows.follower, town.follows.followee),
    )
    for first, second in pairs:
        assert len(np.unique(pair_key(first, second))) == len(first)
    assert (town.follows.follower != town.follows.followee).all()


def test_replies_follow_their_parent_on_the_same_post(town: Town) -> None:
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


def test_favorite_categories_are_opened_more_often(town: Town) -> None:
    acts = town.interactions.take(town.interactions.item_kind == Item.POST)
    category = np.repeat(
        np.arange(len(town.vocabulary.categories)), [len(category.themes) for category in town.vocabulary.categories]
    )[town.posts.theme[acts.item]]
    favourite = town.people.tastes.favorites[acts.user, category]

    def click_rate(of: np.ndarray) -> float:
        return float((of & (acts.kind == Kind.CLICK)).sum() / (of & (acts.kind == Kind.IMPRESSION)).sum())

    assert click_rate(favourite) > 4 * click_rate(~favourite)


def test_higher_positions_are_opened_more_often(town: Town) -> None:
    acts = town.interactions.take(town.interactions.item_kind == Item.POST)
    shown, opened = (
        np.bincount(acts.position[acts.kind == kind], minlength=10) for kind in (Kind.IMPRESSION, Kind.CLICK)
    )
    rate = opened / shown
    assert rate[:3].mean() > 1.3 * rate[-3:].mean()


def test_popularity_is_skewed_and_nights_are_quiet(town: Town) -> None:
    likes = np.sort(np.bincount(town.likes.post, minlength=len(town.posts)))[::-1]
    assert likes[: len(likes) // 5].sum() > 0.4 * likes.sum()
    utc_hour = ((town.interactions.at + (town.spec.start.hour + 0.5) * 3600) // 3600 % 24).astype(int)
    pacific = np.bincount((utc_hour - 7) % 24, minlength=24)
    assert pacific[2:5].sum() < 0.25 * pacific[18:21].sum()


def test_fields_of_a_table_have_the_same_length(town: Town) -> None:
    for table in (
        town.connectors,
        town.memberships,
        town.follows,
        town.posts,
        town.likes,
        town.comments,
        town.rsvps,
        town.marketplace.goods,
        town.interactions,
    ):
        assert {len(getattr(table, field.name)) for field in fields(table)} == {len(table)}


def test_town_of_one_person_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 users"):
        TownSpec(users=1, days=1, seed=1, end=END)


def test_only_members_comment(town: Town) -> None:
    members = np.sort(pair_key(town.memberships.user, town.memberships.connector))
    commented = pair_key(town.comments.user, town.posts.connector[town.comments.post])
    assert np.isin(commented, members).all()
