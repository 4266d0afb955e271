"""The door to one connector: what the viewer is in it, and what that lets them do."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors import queries
from transactional_api.connectors.schemas import TENDS, Role
from transactional_api.db.plain import Asked, Ready
from transactional_api.db.tables import Connector
from transactional_api.errors import ForbiddenError, NotFoundError
from transactional_api.prepared import SOMEONE, parameter

_SEEN = Ready(
    queries.visible_to(SOMEONE).with_only_columns(Connector.id).where(Connector.id == parameter("connector_id"))
)
_ONE = queries.with_role(SOMEONE, connector_id=parameter("connector_id"))


@dataclass(frozen=True, slots=True)
class Access:
    """A connector that the viewer may see, and their role in it."""

    connector: Connector
    role: Role | None

    @property
    def administers(self) -> bool:
        """Whether the viewer looks after the connector itself."""
        return self.role is Role.ADMIN

    @property
    def tends(self) -> bool:
        """Whether the viewer looks after what members make, and after who becomes one."""
        return self.role in TENDS

    def may_act_on(self, other: Role | None) -> bool:
        """Whether the viewer may remove or ban somebody with this role: admins anyone, moderators only members."""
        return self.administers or (self.tends and other not in TENDS)


async def access(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> Access:
    """Find a connector; raises ``NotFoundError`` when the viewer may not see it."""
    row = (await session.execute(_ONE, {"viewer_id": viewer.id, "connector_id": connector_id})).one_or_none()
    if row is None:
        raise NotFoundError
    connector, role = row
    return Access(connector, Role(role) if role else None)


def door(viewer: Viewer, connector_id: UUID) -> Asked:
    """Return what finds something only where the viewer may see a connector."""
    return _SEEN, {"viewer_id": viewer.id, "connector_id": connector_id}


async def access_to_tend(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> Access:
    """Find a connector that the viewer tends; raises ``ForbiddenError`` when they see it but do not."""
    found = await access(session, viewer=viewer, connector_id=connector_id)
    if not found.tends:
        raise ForbiddenError("Only a moderator or an admin may do this")
    return found


async def lock(session: AsyncSession, *, connector_id: UUID) -> None:
    """Let nobody else change who belongs to a connector until the transaction ends.

    To be called before anything is read that the change depends on.
    """
    await session.execute(select(Connector.id).where(Connector.id == connector_id).with_for_update(key_share=True))
