"""The lasting address of a person's picture, in the column of people and in responses."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import PlainSerializer

from neighborconnect.settings import get_settings
from transactional_api.core.media.signed_links import UUID_PATTERN

AVATAR_PATH = "/api/v1/media/avatars/{media_id}"
_AVATAR_PATH = re.compile(rf"/api/v1/media/avatars/(?P<id>{UUID_PATTERN})$")


def avatar_url(public_url: str, media_id: UUID | str) -> str:
    """Return the lasting address of a person's picture; it is signed when somebody follows it."""
    return public_url.rstrip("/") + AVATAR_PATH.format(media_id=media_id)


def avatar_of(address: str) -> UUID | None:
    """Return the upload that the lasting address of a picture names, whatever the host of it."""
    try:
        named = _AVATAR_PATH.search(urlsplit(address).path)
    except ValueError:
        return None
    return UUID(named["id"]) if named else None


def _shown(address: str | None) -> str | None:
    media_id = avatar_of(address) if address else None
    return avatar_url(get_settings().public_url, media_id) if media_id else None


AvatarAddress = Annotated[str | None, PlainSerializer(_shown, return_type=str | None)]
"""A person's picture in a response, at the present public address.

An address elsewhere, from a release that took any, is shown as none: its server would learn of every reader.
"""
