"""Bad neighbors: spam, scams and insults, the reports about them, and what moderators decided.

A town of at least ``MIN_PEOPLE`` people has two, who spam and who insult. Both are among the last to arrive.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from simulator.arrays import uuids
from simulator.columns import Ids, id_series, times
from simulator.spec import DAY_SECONDS, SHOWN_PEOPLE
from simulator.town import Town

MIN_PEOPLE = 20
MODERATORS = (1, 2)
"""Numbers of the moderators of the platform. The last one decided, so that the first can decide appeals."""
_SPAM_DAYS, _POSTS, _INSULTED_POSTS = 5.0, 5, 60
_DECIDED_EVERY = 3
_FALSE_REPORTS, _MAX_REPORTERS, _BLOCKED_SHARE = 3, 3, 0.5
_TRIAGE = {"queue_name": "models", "task_name": "moderation.triage", "priority": 0}
"""The platform's job that assesses a reported text."""

Row = dict[str, Any]


@dataclass(slots=True)
class Incidents:
    """Rows by table, and the numbers of the connectors and posts that count the added posts and comments."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    post_connectors: list[int] = field(default_factory=list)
    comment_posts: list[int] = field(default_factory=list)
    bad_neighbors: tuple[int, ...] = ()

    def add(self, table: str, **row: Any) -> Row:
        """Add a row to a table and return it."""
        self.rows.setdefault(table, []).append(row)
        return row


def draw_incidents(town: Town, ids: Ids) -> Incidents:
    """Draw the incidents of a town, in the rows in which the platform stores them."""
    incidents = Incidents()
    if town.people.count >= MIN_PEOPLE:
        _Draw(town, ids, incidents).run()
    return incidents


class _Draw:
    def __init__(self, town: Town, ids: Ids, incidents: Incidents) -> None:
        self._town, self._incidents = town, incidents
        self._rng, self._random = town.spec.generator(24), random.Random(town.spec.seed)
        self._users, self._ids = ids.users.to_list(), ids
        self._end = times(town.spec.start, np.array([town.spec.days * float(DAY_SECONDS)])).to_list()[0]

    def run(self) -> None:
        spammer, bully = self._choose()
        self._incidents.bad_neighbors = (spammer, bully)
        for subjects in (self._spam(spammer), self._scam(spammer), self._insult(bully), self._false_reports()):
            # The oldest of each kind is decided.
            subjects.sort(key=lambda subject: subject["at"])
            for number, subject in enumerate(subjects):
                self._report(subject, is_decided=number % _DECIDED_EVERY == 0)
        self._avoid((spammer, bully))

    def _choose(self) -> tuple[int, int]:
        """Choose two people with several memberships, from before the last days."""
        memberships = self._town.memberships
        joined = memberships.take(memberships.joined < (self._town.spec.days - 1) * DAY_SECONDS)
        counts = np.bincount(joined.user, minlength=self._town.people.count)
        counts[:SHOWN_PEOPLE] = -1
        late = np.argsort(counts[::-1], kind="stable")[::-1]
        best = (self._town.people.count - 1 - late)[:8]
        spammer, bully = sorted(best.tolist())[-2:]
        return spammer, bully

    def _new_id(self) -> str:
        return str(id_series(uuids(self._rng, 1))[0])

    def _ago(self, days: float) -> datetime:
        # Whole milliseconds, so that a later act of the same draw stays later.
        at: datetime = self._end - timedelta(days=days)
        return at.replace(microsecond=0)

    def _connectors_of(self, user: int, *, count: int) -> list[int]:
        memberships = self._town.memberships
        limit = (self._town.spec.days - min(_SPAM_DAYS, self._town.spec.days - 0.9)) * DAY_SECONDS
        own = memberships.connector[(memberships.user == user) & (memberships.joined < limit)]
        if not len(own):
            own = memberships.connector[memberships.user == user][:1]
        return [int(number) for number in np.resize(own, count)]

    def _days(self, user: int, connector: int) -> float:
        """Draw the age in days of an act in a connector, after the person joined it."""
        memberships = self._town.memberships
        joined = memberships.joined[(memberships.user == user) & (memberships.connector == connector)][0]
        possible = self._town.spec.days - joined / DAY_SECONDS - 0.02
        return float(min(_SPAM_DAYS, possible) * self._random.uniform(0.35, 0.98))

    def _spam(self, user: int) -> list[Row]:
        words, subjects = self._town.vocabulary.talk.spam, []
        for number, connector in enumerate(self._connectors_of(user, count=_POSTS)):
            at = self._ago(self._days(user, connector))
            title, content = (words[name][number % len(words[name])] for name in ("titles", "contents"))
            row = self._incidents.add(
                "posts",
                id=self._new_id(),
                connector_id=self._ids.connectors[connector],
                author_id=self._users[user],
                content=content,
                title=title,
                created_at=at,
                updated_at=at,
                is_active=True,
            )
            subjects.append(
                {"kind": "post", "row": row, "owner": user, "connector": connector, "at": at, "reason": "spam"}
                | {"text": f"{title}\n{content}", "counter": (self._incidents.post_connectors, connector)}
            )
        return subjects

    def _scam(self, user: int) -> list[Row]:
        words, subjects = self._town.vocabulary.talk.spam, []
        for title, connector in zip(words["items"], self._connectors_of(user, count=len(words["items"])), strict=True):
            at = self._ago(self._days(user, connector))
            row = self._incidents.add(
                "marketplace_items",
                id=self._new_id(),
                connector_id=self._ids.connectors[connector],
                seller_id=self._users[user],
                title=title,
                description=words["item_texts"][0],
                price=50.0,
                category="electronics",
                condition="new",
                created_at=at,
                updated_at=at,
                is_active=True,
            )
            text = f"{title}\n{row['description']}\n{row['category']}"
            subjects.append(
                {"kind": "item", "row": row, "owner": user, "connector": connector, "at": at, "reason": "fraud"}
                | {"text": text, "counter": None}
            )
        return subjects

    def _insult(self, user: int) -> list[Row]:
        posts, end = self._town.posts, self._town.spec.days * float(DAY_SECONDS)
        memberships = self._town.memberships
        joined = memberships.take(memberships.user == user)
        seen = np.flatnonzero(np.isin(posts.connector, joined.connector) & (posts.author != user))[-_INSULTED_POSTS:]
        subjects = []
        for content in self._town.vocabulary.talk.insults:
            post = int(self._random.choice(seen.tolist()))
            connector = int(posts.connector[post])
            since = max(
                float(posts.created[post]),
                float(joined.joined[joined.connector == connector][0]),
                end - _SPAM_DAYS * DAY_SECONDS,
            )
            at = self._ago((end - since) * self._random.uniform(0.1, 0.9) / DAY_SECONDS) + timedelta(seconds=1)
            row = self._incidents.add(
                "comments",
                id=self._new_id(),
                post_id=self._ids.posts[post],
                author_id=self._users[user],
                content=content,
                created_at=at,
                updated_at=at,
                is_active=True,
            )
            subjects.append(
                {"kind": "comment", "row": row, "owner": user, "connector": connector, "at": at}
                | {"reason": "harassment", "text": content, "counter": (self._incidents.comment_posts, post)}
            )
        return subjects

    def _false_reports(self) -> list[Row]:
        """Return comments that somebody reports because of the opinion in them."""
        comments, subjects = self._town.comments, []
        recent = np.flatnonzero(
            (comments.user >= SHOWN_PEOPLE) & ~np.isin(comments.user, self._incidents.bad_neighbors)
        )
        for number in self._random.sample(recent[-60:].tolist(), min(_FALSE_REPORTS, len(recent[-60:]))):
            at = times(self._town.spec.start, comments.at[number : number + 1]).to_list()[0]
            row = {"id": self._ids.comments[number], "number": number}
            connector = int(self._town.posts.connector[comments.post[number]])
            subjects.append(
                {"kind": "comment", "row": row, "owner": int(comments.user[number]), "connector": connector, "at": at}
                | {"reason": "other", "text": None, "counter": None}
            )
        return subjects

    def _report(self, subject: Row, *, is_decided: bool) -> None:
        talk, incidents = self._town.vocabulary.talk, self._incidents
        if subject["counter"] is not None:
            counted, number = subject["counter"]
            counted.append(number)
        remaining = (self._end - subject["at"]).total_seconds()
        opened = subject["at"] + timedelta(seconds=int(remaining * self._random.uniform(0.05, 0.3)))
        case = incidents.add(
            "moderation_cases",
            id=self._new_id(),
            subject_kind=subject["kind"],
            subject_id=subject["row"]["id"],
            owner_id=self._users[subject["owner"]],
            content_snapshot=subject["text"],
            state="decided" if is_decided else "open",
            created_at=opened,
            comment_number=subject["row"].get("number"),
        )
        members = self._town.memberships.user[self._town.memberships.connector == subject["connector"]]
        excluded = (*incidents.bad_neighbors, subject["owner"], *MODERATORS)
        reporters = [number for number in members.tolist() if number not in excluded]
        chosen = self._random.sample(reporters, min(len(reporters), self._random.randint(1, _MAX_REPORTERS))) or [0]
        case["report_count"] = len(chosen)
        for nth, reporter in enumerate(chosen):
            late = (self._end - opened).total_seconds() * 0.2 * nth
            incidents.add(
                "moderation_reports",
                id=self._new_id(),
                case_id=case["id"],
                reporter_id=self._users[reporter],
                reason=subject["reason"],
                details=self._random.choice(talk.report_details),
                created_at=opened + timedelta(seconds=int(late)),
            )
            if subject["kind"] != "comment":
                incidents.add(
                    "hidden_items",
                    user_id=self._users[reporter],
                    item_kind=subject["kind"],
                    item_id=subject["row"]["id"],
                    created_at=opened,
                )
        if is_decided:
            self._decide(subject, case)
        else:
            incidents.add("procrastinate_jobs", **_TRIAGE, args={"case_id": case["id"]})

    def _decide(self, subject: Row, case: Row) -> None:
        talk, incidents = self._town.vocabulary.talk, self._incidents
        outcome = {"spam": "remove", "fraud": "remove", "harassment": "hide"}.get(subject["reason"], "keep")
        rule = talk.rules.get(subject["reason"], talk.rules["spam"])
        last = max(row["created_at"] for row in incidents.rows["moderation_reports"] if row["case_id"] == case["id"])
        at = last + timedelta(seconds=int((self._end - last).total_seconds() * self._random.uniform(0.2, 0.7)))
        if outcome != "keep":
            subject["row"]["is_active"] = False
            if subject["counter"] is not None:
                subject["counter"][0].remove(subject["counter"][1])
        decision = incidents.add(
            "moderation_decisions",
            id=self._new_id(),
            case_id=case["id"],
            moderator_id=self._users[MODERATORS[-1]],
            outcome=outcome,
            rule=rule,
            took_effect=outcome != "keep",
            created_at=at,
            subject_kind=case["subject_kind"],
            subject_id=case["subject_id"],
        )
        if outcome == "hide" and "moderation_appeals" not in incidents.rows:
            incidents.add(
                "moderation_appeals",
                id=self._new_id(),
                decision_id=decision["id"],
                appellant_id=case["owner_id"],
                statement=talk.appeals[0],
                created_at=at + timedelta(seconds=int((self._end - at).total_seconds() * 0.4)),
            )

    def _avoid(self, bad_neighbors: tuple[int, int]) -> None:
        """Let some of those who reported block the bad neighbors, and others mute them."""
        reporters = {row["reporter_id"]: row["created_at"] for row in self._incidents.rows["moderation_reports"]}
        users = [self._users[number] for number in bad_neighbors]
        # Visitors of the demo have somebody on each list.
        reporters |= {self._users[number]: self._ago(0.5) for number in range(SHOWN_PEOPLE)}
        for reporter, at in reporters.items():
            blocked, muted = users if self._random.random() < _BLOCKED_SHARE else reversed(users)
            row_at = at + timedelta(seconds=30)
            self._incidents.add("blocks", id=self._new_id(), blocker_id=reporter, blocked_id=blocked, created_at=row_at)
            self._incidents.add("mutes", id=self._new_id(), muter_id=reporter, muted_id=muted, created_at=row_at)
