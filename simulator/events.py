"""Events of the history and of the two weeks after it, replies of members, and attendance."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np

from simulator.arrays import Floats, Groups, Ints
from simulator.browsing import browsing_of
from simulator.feeds import Impressions
from simulator.people import TIME_ZONE
from simulator.reactions import Reactions, Utility, react
from simulator.spec import DAY_SECONDS, SHOWN_PEOPLE, TownSpec
from simulator.town import Connectors, Events, Interactions, Item, Memberships, Reply, Rsvps

_UPCOMING_PER_CONNECTOR, _PAST_PER_CONNECTOR = 1.5, 1.2
_DAYS = 14
_HOURS = np.array([10, 14, 17, 18, 19, 19])
_LENGTHS = np.array([1, 1.5, 2, 2, 3])
_LED_BY_SHOWN = 0.15
_INFORMED_MEMBERS, _MAYBE, _LIMITED, _DECLINED = 30, 0.2, 0.4, 0.04
_CAPACITY_SHARES = (0.6, 1.4)
"""Range of the capacity of a limited event, relative to the number of replies: below one, some wait."""
_GUEST_SHARES = np.array([0.86, 0.11, 0.03])
_NOTICE_DAYS, _MIN_NOTICE = 12.0, 6 * 3_600.0
_HOUR = 3_600


def draw_events(
    spec: TownSpec, connectors: Connectors, memberships: Memberships, utility: Utility, *, first_request: int
) -> tuple[Events, Rsvps, Interactions, int]:
    """Draw events, replies and the interactions with events, and return the number of lists in which they were shown.

    The host attends. Informed members open and reply by the utility of the event to them.
    """
    rng = spec.generator(14)
    events = _draw(rng, spec, connectors, memberships)
    end = spec.days * float(DAY_SECONDS)
    shown, user, at = _inform(rng, spec, events, memberships, connectors=len(connectors))
    until = np.minimum(events.starts[shown.item], end) - 60.0
    acts = react(rng, utility.choice_model, shown, at=at, utility=utility.of_events(events, user, shown.item))
    browsing = browsing_of(Item.EVENT, shown, acts, user=user, until=until, end=end, first_request=first_request)
    rsvps, capacity = _draw_replies(rng, spec, events, shown, acts, user=user, until=until)
    utilities = utility.of_events(events, rsvps.user, rsvps.event)
    over = events.ends[rsvps.event] < end
    came = over & (rsvps.status == Reply.ATTENDING) & (rng.random(len(rsvps)) < utility.choice_model.attend(utilities))
    came |= over & (rsvps.user == events.host[rsvps.event])
    columns = {name: getattr(rsvps, name) for name in Rsvps.__dataclass_fields__}
    limited = {name: getattr(events, name) for name in Events.__dataclass_fields__}
    return Events(**{**limited, "capacity": capacity}), Rsvps(**{**columns, "came": came}), browsing, len(at)


def _draw(rng: np.random.Generator, spec: TownSpec, connectors: Connectors, memberships: Memberships) -> Events:
    """Draw events, each after its connector was founded and by a member of that time."""
    end = spec.days * float(DAY_SECONDS)
    founded = connectors.created
    upcoming = np.repeat(np.arange(len(connectors)), rng.poisson(_UPCOMING_PER_CONNECTOR, len(connectors)))
    past = np.repeat(np.arange(len(connectors)), rng.poisson(_PAST_PER_CONNECTOR, len(connectors)))
    connector = np.concatenate([upcoming, past])
    is_past = np.arange(len(connector)) >= len(upcoming)
    days = np.where(
        is_past, -rng.integers(1, max(2, spec.days), len(connector)), rng.integers(1, _DAYS + 1, len(connector))
    )
    starts = _starts(rng, spec, days=days)
    latest = np.minimum(end - 1, starts - _MIN_NOTICE)
    earliest = np.maximum(founded[connector], starts - (_NOTICE_DAYS + _DAYS) * DAY_SECONDS)
    possible = earliest < latest
    connector, starts, is_past = connector[possible], starts[possible], is_past[possible]
    created = earliest[possible] + (latest - earliest)[possible] * rng.random(len(connector))
    ends = starts + rng.choice(_LENGTHS, len(connector)) * _HOUR
    member = Groups(memberships.connector, np.arange(len(memberships)), groups=len(connectors))
    hosts = np.empty_like(connector)
    for event, number in enumerate(connector.tolist()):
        members = memberships.take(member.members[member.bounds[number] : member.bounds[number + 1]])
        members = members.take(members.joined <= created[event])
        leading = members.user[members.user < SHOWN_PEOPLE]
        hosts[event] = leading[0] if len(leading) and rng.random() < _LED_BY_SHOWN else rng.choice(members.user)
    return Events(
        connector=connector,
        host=hosts,
        location=connectors.location[connector],
        appeal=rng.normal(0.0, 0.4, len(connector)),
        created=created,
        starts=starts,
        ends=ends,
        capacity=np.zeros(len(connector), dtype=np.int64),
    )


def _inform(
    rng: np.random.Generator, spec: TownSpec, events: Events, memberships: Memberships, *, connectors: int
) -> tuple[Impressions, Ints, Floats]:
    """Draw the members who see each event, and when; each sees it in a list of its own, near the top."""
    end = spec.days * float(DAY_SECONDS)
    member = Groups(memberships.connector, np.arange(len(memberships)), groups=connectors)
    parts: list[tuple[Ints, Ints, Floats]] = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for event, number in enumerate(events.connector.tolist()):
        members = memberships.take(member.members[member.bounds[number] : member.bounds[number + 1]])
        until = min(events.starts[event], end) - 600.0
        members = members.take((members.joined < until) & (members.user != events.host[event]))
        informed = members.take(
            (rng.random(len(members)) < _INFORMED_MEMBERS / max(1, len(members))) | (members.user < SHOWN_PEOPLE)
        )
        since = np.maximum(np.maximum(informed.joined, events.created[event]) + 60.0, 0.0)
        informed, since = informed.take(since < until), since[since < until]
        at = since + (until - since) * rng.random(len(since)) ** 1.5
        parts.append((np.full(len(at), event), informed.user, at))
    item, user, at = (np.concatenate(column) for column in zip(*parts, strict=True))
    position = (rng.random(len(at)) * 4).astype(np.int64)
    return Impressions(request=np.arange(len(at)), item=item, position=position), user, at


def _draw_replies(
    rng: np.random.Generator,
    spec: TownSpec,
    events: Events,
    shown: Impressions,
    acts: Reactions,
    *,
    user: Ints,
    until: Floats,
) -> tuple[Rsvps, Ints]:
    """Reply in temporal order; without enough remaining capacity a party waits, and so do all after it."""
    replied_at = acts.left_at + 10.0
    replies = np.flatnonzero(acts.accepted & (replied_at < until))
    everyone = Rsvps(
        user=np.concatenate([events.host, user[replies]]),
        event=np.concatenate([np.arange(len(events)), shown.item[replies]]),
        at=np.concatenate([events.created + 5.0, replied_at[replies]]),
        status=np.concatenate([np.full(len(events), Reply.ATTENDING), np.full(len(replies), Reply.ATTENDING)]),
        guests=np.concatenate([np.zeros(len(events), np.int64), rng.choice(3, len(replies), p=_GUEST_SHARES)]),
        came=np.zeros(len(events) + len(replies), dtype=bool),
    )
    rsvps = everyone.take(np.lexsort((everyone.at, everyone.event)))
    rsvps = rsvps.take(rsvps.at < spec.days * DAY_SECONDS)
    is_host = rsvps.user == events.host[rsvps.event]
    chance = np.where(is_host, 1.0, rng.random(len(rsvps)))
    status = np.where(
        chance < _DECLINED, Reply.DECLINED, np.where(chance < _DECLINED + _MAYBE, Reply.MAYBE, rsvps.status)
    )
    demand = np.bincount(rsvps.event, weights=(status == Reply.ATTENDING) * (1 + rsvps.guests), minlength=len(events))
    share = rng.uniform(*_CAPACITY_SHARES, len(events))
    capacity = np.where(rng.random(len(events)) < _LIMITED, np.maximum(2, np.round(demand * share)), 0).astype(np.int64)
    free = np.where(capacity > 0, capacity, np.iinfo(np.int64).max)
    for number in np.flatnonzero((status == Reply.ATTENDING) & (capacity[rsvps.event] > 0)).tolist():
        event, party = rsvps.event[number], 1 + rsvps.guests[number]
        if party > free[event]:
            status[number], free[event] = Reply.WAITING, 0
        else:
            free[event] -= party
    guests = np.where(status == Reply.DECLINED, 0, rsvps.guests)
    return Rsvps(
        user=rsvps.user, event=rsvps.event, at=rsvps.at, status=status.astype(np.int64), guests=guests, came=rsvps.came
    ), capacity


def _starts(rng: np.random.Generator, spec: TownSpec, *, days: Ints) -> Floats:
    """Draw full hours of local time on each day relative to the end, in seconds after the start of the history."""
    today = spec.end.astimezone(ZoneInfo(TIME_ZONE)).replace(hour=0, minute=0, second=0, microsecond=0)
    hours = rng.choice(_HOURS, len(days))
    times = [today + timedelta(days=day, hours=hour) for day, hour in zip(days.tolist(), hours.tolist(), strict=True)]
    return np.array([time.timestamp() - spec.start.timestamp() for time in times])
