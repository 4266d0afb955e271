"""Access to one connector: the viewer's role in it and the permissions that follow from the role."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.connectors import queries
from transactional_api.community.connectors.schemas import MODERATOR_ROLES, Role
from transactional_api.core.compiled_queries import VIEWER_PLACEHOLDER, uuid_param
from transactional_api.core.db.statements import BoundStatement, CompiledStatement
from transactional_api.core.db.tables import Connector
from transactional_api.core.errors import ForbiddenError, NotFoundError
from transactional_api.core.viewer import Viewer

_VISIBLE_CONNECTOR = CompiledStatement(
    queries.visible_to(VIEWER_PLACEHOLDER)
    .with_only_columns(Connector.id)
    .where(Connector.id == uuid_param("connector_id"))
)
_CONNECTOR_WITH_ROLE = queries.with_role(VIEWER_PLACEHOLDER, connector_id=uuid_param("connector_id"))


@dataclass(frozen=True, slots=True)
class ConnectorAccess:
    """A visible connector and the viewer's role in it."""

    connector: Connector
    role: Role | None

    @property
    def is_admin(self) -> bool:
        """Whether the viewer administers the connector."""
        return self.role is Role.ADMIN

    @property
    def can_moderate(self) -> bool:
        """Whether the viewer moderates content and membership."""
        return self.role in MODERATOR_ROLES

    def can_act_on(self, other: Role | None) -> bool:
        """Whether the viewer can remove or ban a user with this role: admins anyone, moderators only members."""
        return self.is_admin or (self.can_moderate and other not in MODERATOR_ROLES)


async def get_connector_access(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> ConnectorAccess:
    """Return the viewer's access to a connector; raises ``NotFoundError`` if they cannot see it."""
    row = (
        await session.execute(_CONNECTOR_WITH_ROLE, {"viewer_id": viewer.id, "connector_id": connector_id})
    ).one_or_none()
    if row is None:
        raise NotFoundError
    connector, role = row
    return ConnectorAccess(connector, Role(role) if role else None)


def visibility_check(viewer: Viewer, connector_id: UUID) -> BoundStatement:
    """Return the statement that yields a row only if the viewer can see the connector."""
    return _VISIBLE_CONNECTOR, {"viewer_id": viewer.id, "connector_id": connector_id}


async def require_moderator(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> ConnectorAccess:
    """Return a moderator's access to a connector.

    Raises:
        NotFoundError: the viewer cannot see the connector.
        ForbiddenError: the viewer is not a moderator of it.
    """
    access = await get_connector_access(session, viewer=viewer, connector_id=connector_id)
    if not access.can_moderate:
        raise ForbiddenError("Only a moderator or an admin of the connector can do this")
    return access


async def lock(session: AsyncSession, *, connector_id: UUID) -> None:
    """Lock the membership of a connector exclusively until the transaction ends.

    Must be called before anything is read on which the change depends.
    """
    await session.execute(select(Connector.id).where(Connector.id == connector_id).with_for_update(key_share=True))


async def lock_shared(session: AsyncSession, *, connector_id: UUID) -> None:
    """Lock the membership of a connector until the transaction ends, shared with other such locks.

    Must be called before the permission is read on which the new row depends.
    """
    await session.execute(select(Connector.id).where(Connector.id == connector_id).with_for_update(read=True))
