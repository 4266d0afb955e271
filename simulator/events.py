"""What members hold in the fortnight after the history has ended, and who said that they come."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np

from simulator.arrays import Floats, Groups, Ints, sigmoid
from simulator.people import TIME_ZONE, People
from simulator.spec import DAY_SECONDS, TownSpec
from simulator.town import Answers, Connectors, Events, Memberships

_EACH = 1.5
_DAYS = 14
_HOURS = np.array([10, 14, 17, 18, 19, 19])
_LENGTHS = np.array([1, 1.5, 2, 2, 3])
_HEARD_OF, _MAYBE, _LIMITED, _SPARE = 30, 0.2, 0.4, 8
_HOUR = 3600


def draw_events(
    spec: TownSpec, people: People, connectors: Connectors, memberships: Memberships
) -> tuple[Events, Answers]:
    """Draw what will be held; members come who care for the theme, and the host does."""
    rng = spec.generator(14)
    end = spec.days * DAY_SECONDS
    connector = np.repeat(np.arange(len(connectors)), rng.poisson(_EACH, len(connectors)))
    founded = connectors.created[connector]
    created = founded + (end - 1 - founded) * rng.random(len(connector))
    starts = _starts(rng, spec, count=len(connector))
    member = Groups(memberships.connector, np.arange(len(memberships)), groups=len(connectors))
    none = np.empty(0, dtype=np.int64)
    parts = [Answers(user=none, event=none, at=none.astype(float), maybe=none.astype(bool))]
    hosts = np.empty_like(connector)
    for event, where in enumerate(connector.tolist()):
        mine = memberships.take(member.members[member.bounds[where] : member.bounds[where + 1]])
        mine = mine.take(mine.joined <= created[event])
        hosts[event] = rng.choice(mine.user)
        users = _answers(rng, people, mine.user, theme=int(connectors.theme[where]), host=int(hosts[event]))
        at = created[event] + (end - 1 - created[event]) * np.sort(rng.random(len(users)))
        maybe = (rng.random(len(users)) < _MAYBE) & (users != hosts[event])
        parts.append(Answers(user=users, event=np.full(len(users), event), at=at, maybe=maybe))
    answers = Answers.concatenate(parts)
    coming = answers.coming(events=len(connector))
    room = np.where(rng.random(len(connector)) < _LIMITED, coming + rng.integers(0, _SPARE, len(connector)), 0)
    events = Events(
        connector=connector,
        host=hosts,
        place=connectors.place[connector],
        created=created,
        starts=starts,
        ends=starts + rng.choice(_LENGTHS, len(connector)) * _HOUR,
        room=room,
    )
    return events, answers


def _answers(rng: np.random.Generator, people: People, members: Ints, *, theme: int, host: int) -> Ints:
    """Draw who answers: the host, and of the members who hear of it those whom it is for."""
    heard = min(1.0, _HEARD_OF / len(members))
    wants = heard * sigmoid(people.tastes.by_theme[members, theme])
    chosen: Ints = members[(rng.random(len(members)) < wants) | (members == host)]
    return chosen


def _starts(rng: np.random.Generator, spec: TownSpec, *, count: int) -> Floats:
    """Draw full hours by the town's clocks, in seconds after the start of recorded behaviour."""
    today = spec.end.astimezone(ZoneInfo(TIME_ZONE)).replace(hour=0, minute=0, second=0, microsecond=0)
    days, hours = rng.integers(1, _DAYS + 1, count), rng.choice(_HOURS, count)
    moments = [today + timedelta(days=day, hours=hour) for day, hour in zip(days.tolist(), hours.tolist(), strict=True)]
    return np.array([moment.timestamp() - spec.start.timestamp() for moment in moments])
