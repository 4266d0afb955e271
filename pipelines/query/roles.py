"""Roles with which people read the analytical stores."""

from __future__ import annotations

from enum import StrEnum

from neighborconnect.settings import Settings
from pipelines.query.errors import QueryError


class Role(StrEnum):
    """Roles of PostgreSQL, each with a credential of its own. PostgreSQL decides which columns a role reads."""

    ANALYST = "analyst"
    PRIVACY_OFFICER = "privacy_officer"

    @property
    def reads_personal_columns(self) -> bool:
        """Whether the role reads the personal columns of the lake."""
        return self is Role.PRIVACY_OFFICER


def warehouse_url(settings: Settings, role: Role) -> str:
    """Return the URL with which ``role`` reads the warehouse.

    Raises:
        QueryError: if the setting is missing.
    """
    if role is Role.ANALYST:
        return _required(settings.warehouse_analyst_url, "WAREHOUSE_ANALYST_URL", role)
    return _required(settings.warehouse_privacy_officer_url, "WAREHOUSE_PRIVACY_OFFICER_URL", role)


def features_url(settings: Settings) -> str:
    """Return the URL with which every role reads the history of the features, which has no personal columns.

    Raises:
        QueryError: if the setting is missing.
    """
    return _required(settings.feast_analyst_url, "FEAST_ANALYST_URL", Role.ANALYST)


def _required(url: str | None, name: str, role: Role) -> str:
    if url is None:
        raise QueryError(f"{name} is not set; set it to the URL with the password of the PostgreSQL role `{role}`.")
    return url
