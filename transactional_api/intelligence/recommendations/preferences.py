"""Preferences of the viewer for recommendations: dials, and whether strangers get what they write."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, Field, StrictBool, StrictFloat, StrictInt
from sqlalchemy import Update, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.serving import MAX_ITEMS
from neighborconnect.feed.dials import Dials
from transactional_api.core.db.tables import RecommendationPreferences, User
from transactional_api.core.text import RequestBody
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.recommendations import queries

Dial = Annotated[StrictFloat, Field(ge=-1, le=1, allow_inf_nan=False)]
_NEAR: Final = "Items near your home."
_FRIENDS: Final = "Items of people whom you follow, and connectors that they are in."
_DISCOVERY: Final = "Items of connectors that you are not in."
_RECENCY: Final = "New items."
_OWN: Final = "Whether your posts, events and items reach people who neither follow you nor are in the connector."


class PreferencesOut(BaseModel):
    """Preferences. A dial is from -1 (less) to 1 (more); 0 is the published order."""

    near: float = Field(description=_NEAR, examples=[0.5])
    friends: float = Field(description=_FRIENDS, examples=[0])
    discovery: float = Field(description=_DISCOVERY, examples=[-0.5])
    recency: float = Field(description=_RECENCY, examples=[1])
    recommend_my_content: bool = Field(description=_OWN, examples=[True])
    personalization_reset_at: datetime | None = Field(
        description="Time of your last reset, before which your acts do not count; null without one.", examples=[None]
    )


class PreferencesPatch(RequestBody):
    """Preferences to change; those that are missing or null stay."""

    near: Dial | None = Field(default=None, description=_NEAR, examples=[0.5])
    friends: Dial | None = Field(default=None, description=_FRIENDS, examples=[0])
    discovery: Dial | None = Field(default=None, description=_DISCOVERY, examples=[-0.5])
    recency: Dial | None = Field(default=None, description=_RECENCY, examples=[1])
    recommend_my_content: StrictBool | None = Field(default=None, description=_OWN, examples=[True])


class PreviewRequest(RequestBody):
    """Dials to try."""

    near: Dial = Field(default=0.0, description=_NEAR, examples=[0.5])
    friends: Dial = Field(default=0.0, description=_FRIENDS, examples=[0])
    discovery: Dial = Field(default=0.0, description=_DISCOVERY, examples=[-0.5])
    recency: Dial = Field(default=0.0, description=_RECENCY, examples=[1])
    limit: StrictInt = Field(default=20, ge=1, le=MAX_ITEMS, examples=[20])

    @property
    def dials(self) -> Dials:
        """The dials of the request."""
        return Dials(self.near, self.friends, self.discovery, self.recency)


async def get(session: AsyncSession, *, viewer: Viewer) -> PreferencesOut:
    """Return the viewer's preferences."""
    row = (await session.execute(queries.preferences(viewer))).one()
    return PreferencesOut.model_validate(row, from_attributes=True)


async def change(session: AsyncSession, *, viewer: Viewer, patch: PreferencesPatch) -> PreferencesOut:
    """Change the given preferences, and return all of them."""
    if changes := patch.model_dump(exclude_none=True):
        statement = insert(RecommendationPreferences).values(user_id=viewer.id, **changes)
        await session.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=changes))
    return await get(session, viewer=viewer)


async def reset(session: AsyncSession, *, viewer: Viewer) -> PreferencesOut:
    """Let no act until now count in the viewer's recommendations, and return the preferences."""
    await session.execute(_of(viewer).values(personalization_reset_at=func.clock_timestamp()))
    return await get(session, viewer=viewer)


async def undo_reset(session: AsyncSession, *, viewer: Viewer) -> None:
    """Let earlier acts count again; without a reset, this changes nothing."""
    await session.execute(_of(viewer).values(personalization_reset_at=None))


def _of(viewer: Viewer) -> Update:
    # The version of the profile, which depends on this column, stays.
    return update(User).where(User.id == viewer.id).values(updated_at=User.updated_at)
