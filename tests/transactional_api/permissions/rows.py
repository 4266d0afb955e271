"""A row of the permission matrix, and the private connector that every row is tried in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.transactional_api.people import Person

NOBODY, STRANGER, MEMBER, OWNER, BLOCKED = "nobody", "stranger", "member", "owner", "blocked"


@dataclass(frozen=True, slots=True)
class Private:
    """A private connector with a post of its admin, and the people around it.

    ``things`` are further ids by the name that paths use, put there by the slices' ``create_data``. The blocked
    person is a member whom the owner blocks: they see the connector, and nothing that the owner made in it.
    """

    people: dict[str, Person]
    connector: dict[str, Any]
    post: dict[str, Any]
    things: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """One route: how it is asked, and the status for each kind of person.

    A row that is ``read_only`` leaves its data as it was, whoever asks, so that other rows may use the same.
    """

    method: str
    path: str
    expected: dict[str, int]
    body: Callable[[Private], Any] = lambda _: None
    query: str = ""
    files: Any = None
    read_only: bool = False

    @property
    def shares_data(self) -> bool:
        return self.read_only or self.method == "GET"


def told(nobody: int, stranger: int, member: int, owner: int, blocked: int | None = None) -> dict[str, int]:
    """Name the status for each kind of person; the blocked person gets a member's unless given."""
    return {
        NOBODY: nobody,
        STRANGER: stranger,
        MEMBER: member,
        OWNER: owner,
        BLOCKED: member if blocked is None else blocked,
    }


ANYONE = told(401, 200, 200, 200)
ANYONE_CREATES = told(401, 201, 201, 201)
ANYONE_EMPTY = told(401, 204, 204, 204)
