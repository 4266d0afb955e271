"""Marketplace of a town: items for sale, people who browse, buy and review.

Lists of items are independent of preferences, as the feeds are. The first to want an item buys it.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from simulator.arrays import Floats, Ints, draw_weighted
from simulator.browsing import browsing_of
from simulator.drawing import VARIANTS
from simulator.feeds import Impressions, pair_key, rank_and_cut
from simulator.goods import CONDITIONS, Deal, Goods, GoodsViews, Marketplace, Purchases, SellerReviews
from simulator.people import People
from simulator.reactions import Reactions, Utility, react
from simulator.rhythm import seconds_of_day
from simulator.spec import DAY_SECONDS, SHOWN_PEOPLE, TownSpec
from simulator.town import Interactions, Item, Memberships
from simulator.vocabulary import Vocabulary

_ITEMS_PER_PERSON, _SESSIONS_PER_REQUEST = 0.6, 0.12
_CANDIDATES, _ITEMS_PER_LIST, _FRESHNESS = 14, 8, 1.5
_CONDITION_SHARES = np.array([0.1, 0.25, 0.4, 0.2, 0.05])
_CONDITION_PRICES = np.array([1.15, 1.0, 0.8, 0.55, 0.25])
_PICTURE_SHARES = np.array([0.08, 0.72, 0.2])
_CANCELLED, _REVIEWED, _RESERVED = 0.08, 0.75, 0.1
_HANDOVER_DAYS, _REVIEW_DAYS, _RESERVATION_DAYS = 1.2, 1.0, 2.0
_MAX_PRICED_IN_CENTS = 20
_LAST_ACT = 3_600.0


def draw_marketplace(
    spec: TownSpec,
    vocabulary: Vocabulary,
    memberships: Memberships,
    utility: Utility,
) -> tuple[Marketplace, Interactions, int]:
    """Draw the marketplace, the interactions with its lists, and the number of these lists."""
    rng = spec.generator(20)
    goods = _draw_goods(rng, spec, vocabulary, memberships, utility)
    user, at = _draw_sessions(rng, spec, utility.people)
    shown = _select_goods(rng, goods, user=user, at=at)
    who = user[shown.request]
    acts = react(rng, utility.choice_model, shown, at=at, utility=utility.of_goods(goods, who, shown.item))
    purchases = _draw_purchases(
        rng, spec, utility.people, goods, who=who, item=shown.item, acts=acts, buys=utility.choice_model.buys
    )
    end = spec.days * float(DAY_SECONDS)
    sold = np.full(len(goods), np.inf)
    sold[purchases.goods] = purchases.at
    browsing = browsing_of(Item.GOODS, shown, acts, user=who, until=sold[shown.item], end=end, first_request=0)
    views = _views(browsing, purchases, end=end)
    goods = _reserve(rng, goods, views, purchases, end=end)
    reviews = _draw_reviews(rng, goods, purchases, end=end)
    return Marketplace(goods=goods, views=views, purchases=purchases, reviews=reviews), browsing, len(user)


def _draw_goods(
    rng: np.random.Generator,
    spec: TownSpec,
    vocabulary: Vocabulary,
    memberships: Memberships,
    utility: Utility,
) -> Goods:
    count = max(12, round(_ITEMS_PER_PERSON * spec.users))
    end = spec.days * DAY_SECONDS
    chosen = rng.integers(0, len(memberships), count)
    for person in range(min(SHOWN_PEOPLE, spec.users)):
        own = np.flatnonzero(memberships.user == person)
        if len(own):
            chosen[2 * person : 2 * person + 2] = rng.choice(own, 2)
    sellers = memberships.take(chosen)
    prices = [
        np.array([product.price for product in vocabulary.market.products[category.name]])
        for category in vocabulary.categories
    ]
    category = utility.connectors.category[sellers.connector]
    product = (rng.random(count) * np.array([len(part) for part in prices])[category]).astype(np.int64)
    typical = np.array([prices[number][which] for number, which in zip(category, product, strict=True)])
    condition = rng.choice(len(CONDITIONS), count, p=_CONDITION_SHARES)
    deviation = rng.normal(0.0, 0.25, count)
    asked = typical * _CONDITION_PRICES[condition] * np.exp(deviation)
    price = np.where(asked < _MAX_PRICED_IN_CENTS, np.maximum(1, np.round(asked * 2) / 2), np.round(asked / 5) * 5)
    quality = rng.normal(0.0, 0.5, count)
    goods = Goods(
        seller=sellers.user,
        connector=sellers.connector,
        product=product,
        price=price,
        condition=condition,
        quality=quality,
        appeal=quality - utility.choice_model.price_aversion * deviation,
        created=sellers.joined + (end - 600 - sellers.joined) * rng.random(count) ** 0.8,
        pictures=rng.choice(3, count, p=_PICTURE_SHARES),
        variant=rng.integers(0, VARIANTS, count),
        reserved_by=np.full(count, -1),
        reserved_at=np.full(count, np.nan),
    )
    return goods.take(np.argsort(goods.created, kind="stable"))


def _draw_sessions(rng: np.random.Generator, spec: TownSpec, people: People) -> tuple[Ints, Floats]:
    """Draw the person and time of each list of items, in temporal order."""
    count = max(3 * spec.users, round(spec.requests * _SESSIONS_PER_REQUEST))
    end = spec.days * DAY_SECONDS - _LAST_ACT
    day = rng.integers(0, spec.days, count)
    at = np.empty(count)
    for number in range(spec.days):
        of_day = day == number
        start = spec.start + timedelta(days=number)
        at[of_day] = number * DAY_SECONDS + seconds_of_day(rng, start, count=int(of_day.sum()))
    user = draw_weighted(rng, people.activity, count)
    arrived = np.maximum(people.arrived[user], 0.0)
    at = np.where((at < arrived) | (at > end), arrived + (end - arrived) * rng.random(count), at)
    order = np.argsort(at, kind="stable")
    return user[order], at[order]


def _select_goods(rng: np.random.Generator, goods: Goods, *, user: Ints, at: Floats) -> Impressions:
    """Draw a list of items per session that existed at that time, recent ones more often, without own ones."""
    request = np.repeat(np.arange(len(user)), _CANDIDATES)
    who, when = user[request], at[request]
    known = np.searchsorted(goods.created, when)
    item = np.clip(known - 1 - (known * rng.random(len(request)) ** _FRESHNESS).astype(np.int64), 0, None)
    valid = (known > 0) & (goods.seller[item] != who)
    age = np.maximum(when - goods.created[item], 60.0)
    score = -0.25 * np.log(age) + rng.gumbel(scale=0.7, size=len(request))
    return rank_and_cut(request, who, item, score, valid, limit=_ITEMS_PER_LIST)


def _draw_purchases(
    rng: np.random.Generator,
    spec: TownSpec,
    people: People,
    goods: Goods,
    *,
    who: Ints,
    item: Ints,
    acts: Reactions,
    buys: float,
) -> Purchases:
    """Sell each item to the first person who wants it; the people that the demo shows buy and sell in any case."""
    end = spec.days * float(DAY_SECONDS)
    wanted = np.flatnonzero(acts.accepted & (rng.random(len(who)) < buys))
    shown_people = min(SHOWN_PEOPLE, people.count)
    deals: dict[int, tuple[int, float]] = {}
    for person in range(shown_people):
        own, others = np.flatnonzero(goods.seller == person), np.flatnonzero(goods.seller != person)
        other = (person + 1) % people.count
        for buyer, choices in ((other, own), (person, others)):
            free = [number for number in choices.tolist() if number not in deals]
            if free and goods.seller[free[0]] != buyer:
                since = max(goods.created[free[0]], people.arrived[buyer], 0.0)
                deals[free[0]] = (buyer, since + (end - since) * 0.4)
    for number in wanted[np.argsort(acts.left_at[wanted], kind="stable")].tolist():
        asked = float(acts.left_at[number]) + 30.0
        if asked < end:
            deals.setdefault(int(item[number]), (int(who[number]), asked))
    sold = np.array(sorted(deals, key=lambda number: deals[number][1]), dtype=np.int64)
    at = np.array([deals[number][1] for number in sold.tolist()])
    closed = at + rng.exponential(_HANDOVER_DAYS * DAY_SECONDS, len(sold)) + 600.0
    cancelled = rng.random(len(sold)) < _CANCELLED
    status = np.where(closed >= end, Deal.AGREED, np.where(cancelled, Deal.CANCELLED, Deal.COMPLETED))
    return Purchases(
        buyer=np.array([deals[number][0] for number in sold.tolist()], dtype=np.int64),
        goods=sold,
        at=at,
        status=status.astype(np.int64),
        closed=np.where(status == Deal.AGREED, np.nan, closed),
    )


def _views(browsing: Interactions, purchases: Purchases, *, end: float) -> GoodsViews:
    """Return the first view of each item by each person; buyers viewed what they bought."""
    opened = browsing.take(np.isin(browsing.kind, (1, 2)))
    views = GoodsViews(
        user=np.concatenate([opened.user.astype(np.int64), purchases.buyer]),
        goods=np.concatenate([opened.item.astype(np.int64), purchases.goods]),
        at=np.concatenate([opened.at, purchases.at - 20.0]),
    )
    views = views.take(views.at < end)
    views = views.take(np.argsort(views.at, kind="stable"))
    _, first = np.unique(pair_key(views.user, views.goods), return_index=True)
    return views.take(np.sort(first))


def _reserve(rng: np.random.Generator, goods: Goods, views: GoodsViews, purchases: Purchases, *, end: float) -> Goods:
    """Reserve some unsold items for their latest viewer of the last two days."""
    reserved_by, reserved_at = goods.reserved_by.copy(), goods.reserved_at.copy()
    recent = views.take(views.at > end - _RESERVATION_DAYS * DAY_SECONDS + _LAST_ACT)
    recent = recent.take(~np.isin(recent.goods, purchases.goods) & (rng.random(len(recent)) < _RESERVED))
    reserved_by[recent.goods], reserved_at[recent.goods] = recent.user, recent.at + 15.0
    columns = {name: getattr(goods, name) for name in Goods.__dataclass_fields__}
    return Goods(**{**columns, "reserved_by": reserved_by, "reserved_at": reserved_at})


def _draw_reviews(rng: np.random.Generator, goods: Goods, purchases: Purchases, *, end: float) -> SellerReviews:
    done = np.flatnonzero((purchases.status == Deal.COMPLETED) & (rng.random(len(purchases)) < _REVIEWED))
    at = purchases.closed[done] + rng.exponential(_REVIEW_DAYS * DAY_SECONDS, len(done)) + 300.0
    rating = np.clip(np.round(4.4 + goods.quality[purchases.goods[done]] + rng.normal(0, 0.6, len(done))), 1, 5)
    reviews = SellerReviews(purchase=done, rating=rating.astype(np.int64), at=at)
    return reviews.take(at < end)
