"""The short form of a user that other resources embed as their author, host, seller, buyer, actor or member."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, func
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.db.tables import User
from transactional_api.core.media.addresses import AvatarAddress
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries


class Person(BaseModel):
    """A user as other resources embed them: what a screen shows next to what they did."""

    id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    username: str = Field(examples=["ada.okafor"])
    display_name: str = Field(
        description="First and last name; `Former Neighbor` after an erasure.", examples=["Ada Okafor"]
    )
    avatar_url: AvatarAddress = Field(examples=["https://media.example.org/ada.jpg"])


def person_json(user: type[User] = User) -> ColumnElement[Any]:
    """Return the JSON object of a ``Person`` for the user of the enclosing statement."""
    return func.jsonb_build_object(
        "id",
        user.id,
        "username",
        user.username,
        "display_name",
        func.concat_ws(" ", user.first_name, user.last_name),
        "avatar_url",
        user.avatar_url,
    )


async def visible_people(session: AsyncSession, *, viewer: Viewer, user_ids: Collection[UUID]) -> dict[UUID, Person]:
    """Return those of the users whom the viewer may see, by id."""
    if not user_ids:
        return {}
    statement = queries.visible_to(viewer).with_only_columns(person_json()).where(User.id.in_(user_ids))
    people = [Person.model_validate(row) for row in await session.scalars(statement)]
    return {person.id: person for person in people}
