"""Personal data of users (email, phone, home) as encrypted columns."""

from __future__ import annotations

from typing import Any

import h3
from sqlalchemy import ColumnElement

from neighborconnect.contracts.places import HOME_CELL_RESOLUTION
from transactional_api.core.db.tables import User
from transactional_api.core.geography import Point
from transactional_api.core.security.field_encryption import FieldCipher


def email_columns(cipher: FieldCipher, email: str) -> dict[str, str]:
    """Return the columns of an email address."""
    return {"email_hash": cipher.blind_index(email), "email_encrypted": cipher.encrypt(email)}


def phone_columns(cipher: FieldCipher, phone: str | None) -> dict[str, str | None]:
    """Return the columns of a phone number."""
    return {"phone": None, "phone_encrypted": cipher.encrypt(phone) if phone else None}


def home_columns(cipher: FieldCipher, home: Point | None) -> dict[str, str | None]:
    """Return the columns of a home: the encrypted location, and the cell that others may know."""
    if home is None:
        return {"home_encrypted": None, "home_cell": None}
    return {
        "home_encrypted": cipher.encrypt(home.model_dump_json()),
        "home_cell": h3.latlng_to_cell(home.latitude, home.longitude, HOME_CELL_RESOLUTION),
    }


def has_email(cipher: FieldCipher, email: str) -> ColumnElement[bool]:
    """Whether the user of the enclosing statement has this email address."""
    return User.email_hash.in_([*cipher.blind_indexes(email), email])


def email_of(cipher: FieldCipher, user: Any) -> str:
    """Return the email address of a row with ``email_hash`` and ``email_encrypted``."""
    return cipher.decrypt(user.email_encrypted) if user.email_encrypted else str(user.email_hash)


def phone_of(cipher: FieldCipher, user: User) -> str | None:
    """Return the phone number of a user, or None."""
    return cipher.decrypt(user.phone_encrypted) if user.phone_encrypted else user.phone


def home_of(cipher: FieldCipher, user: User) -> Point | None:
    """Return the home of a user, or None."""
    return Point.model_validate_json(cipher.decrypt(user.home_encrypted)) if user.home_encrypted else None
