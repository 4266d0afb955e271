"""Request and response bodies of accounts, sessions and profiles."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    StringConstraints,
    TypeAdapter,
)

from neighborconnect.localization import Language
from transactional_api.core import text
from transactional_api.core.geography import Point
from transactional_api.core.http.partial_updates import Patch, patch_of
from transactional_api.core.media.addresses import AvatarAddress
from transactional_api.core.media.attachments import OwnLink
from transactional_api.core.text import PASSWORD_LENGTH, Line, PlainText, RequestBody
from transactional_api.identity.users import usernames

MAX_INTERESTS = 50
MAX_TYPED_PASSWORD = 512
"""Maximum characters of a password to compare: a decomposed form is longer than the composed one."""


def _lower(value: str) -> str:
    return value.lower()


def refuse_product_name(value: str) -> str:
    """Return the name of a user or an app; raises ``ValueError`` if it could be mistaken for the product."""
    if usernames.claims_the_product(value):
        raise ValueError("The name must not contain the product's name")
    return value


_LINE: TypeAdapter[str] = TypeAdapter(Line)
# The library normalizes an address: Unicode NFC, the domain in Unicode.
Email = Annotated[
    EmailStr,
    BeforeValidator(lambda value: _LINE.validate_python(value) if isinstance(value, str) else value),
    StringConstraints(max_length=255),
    AfterValidator(_lower),
]
Username = Annotated[
    Line,
    StringConstraints(
        pattern=f"^{usernames.PATTERN}$", min_length=usernames.MIN_LENGTH, max_length=usernames.MAX_LENGTH
    ),
    AfterValidator(_lower),
]
Password = Annotated[text.Password, Field(min_length=1, max_length=MAX_TYPED_PASSWORD, examples=["a long pass phrase"])]
NewPassword = Annotated[
    text.NewPassword,
    Field(min_length=PASSWORD_LENGTH[0], max_length=PASSWORD_LENGTH[1], examples=["another long pass phrase"]),
]
Name = Annotated[Line, StringConstraints(min_length=1, max_length=100)]
PersonName = Annotated[Name, AfterValidator(refuse_product_name)]
Interest = Annotated[Line, StringConstraints(min_length=1, max_length=100)]


class Profile(RequestBody):
    """Profile of a user; PUT replaces all fields."""

    first_name: PersonName = Field(examples=["Ada"])
    last_name: PersonName = Field(examples=["Okafor"])
    avatar_url: OwnLink | None = Field(
        default=None,
        description="URL of your current avatar, or a link to one of your uploads.",
        examples=[None],
    )
    neighborhood: Annotated[Line, StringConstraints(max_length=200)] | None = Field(
        default=None, examples=["Park Slope"]
    )
    city: Annotated[Line, StringConstraints(max_length=100)] | None = Field(default=None, examples=["New York"])
    state: Annotated[Line, StringConstraints(max_length=50)] | None = Field(default=None, examples=["NY"])
    country: Annotated[Line, StringConstraints(max_length=50)] | None = Field(default=None, examples=["US"])
    postal_code: Annotated[Line, StringConstraints(max_length=20)] | None = Field(default=None, examples=["11215"])
    phone: Annotated[Line, StringConstraints(max_length=20)] | None = Field(default=None, examples=["+1 718 555 0114"])
    interests: list[Interest] = Field(default=[], max_length=MAX_INTERESTS, examples=[["gardening", "cycling"]])
    language: Language | None = Field(
        default=None,
        description="Language of emails and pushes; null for English. A registration without it takes the one of "
        "`Accept-Language`. Other responses follow `Accept-Language`.",
        examples=["es"],
    )


@patch_of(Profile)
class ProfilePatch(Patch):
    """Fields of your profile to change; absent ones stay, and null clears a field that may be null."""


class Registration(Profile):
    """Registration of a new user."""

    email: Email = Field(examples=["ada@example.org"])
    username: Username = Field(examples=["ada.okafor"])
    password: NewPassword


OneTimeCode = Annotated[Line, StringConstraints(pattern=r"^[0-9A-Fa-f-]{6,20}$")]


class Credentials(RequestBody):
    """Login credentials."""

    email: Email = Field(examples=["ada@example.org"])
    password: Password
    code: OneTimeCode | None = Field(
        default=None,
        description="Required with a second factor: a code from the authenticator app, or a recovery code.",
        examples=["492039"],
    )


class PasswordProof(RequestBody):
    """The current password, to confirm a sensitive action."""

    password: Password


class CodeProof(RequestBody):
    """A code from the authenticator app."""

    code: OneTimeCode = Field(examples=["492039"])


class SecondFactorOff(PasswordProof):
    """Credentials that disable a second factor."""

    code: OneTimeCode | None = Field(
        default=None,
        description="Required while the second factor is on: a code from the authenticator app, or a recovery code.",
        examples=["492039"],
    )


class SecondFactorBegun(BaseModel):
    """Setup of the authenticator app; shown only once."""

    secret: str = Field(examples=["JBSWY3DPEHPK3PXP"])
    uri: str = Field(
        description="For a QR code.", examples=["otpauth://totp/NeighborConnect:ada.okafor?secret=JBSWY3DPEHPK3PXP"]
    )


class RecoveryCodes(BaseModel):
    """Single-use recovery codes for login without the authenticator app; shown only once."""

    codes: list[str] = Field(examples=[["5b0b7f8e-2b0e4d53"]])


class SecondFactorOut(BaseModel):
    """State of the second factor."""

    enabled: bool = Field(examples=[True])
    recovery_codes_left: int = Field(examples=[9])


EmailTokenText = Annotated[PlainText, StringConstraints(pattern=r"^[A-Za-z0-9_-]{20,128}$")]


class EmailToken(RequestBody):
    """Token from an email."""

    token: EmailTokenText = Field(examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"])


class ForgottenPassword(RequestBody):
    """Address of the account to recover."""

    email: Email = Field(examples=["ada@example.org"])


class PasswordReset(EmailToken):
    """A new password and the token from the email."""

    password: NewPassword


class Undone(BaseModel):
    """The change is undone; set a new password with this token (`POST /users/password/reset`)."""

    password_reset_token: str = Field(examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"])
    expires_in: int = Field(description="Seconds until the token expires.", examples=[3600])


class PasswordChange(RequestBody):
    """A new password and the current one."""

    current_password: Password
    password: NewPassword


class SessionOut(BaseModel):
    """An active session of yours."""

    id: UUID = Field(examples=["5b0b7f8e-2b0e-4d53-9c39-8f7c3f0f4f55"])
    user_agent: str | None = Field(examples=["Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)"])
    current: bool = Field(description="Whether this request uses the session.", examples=[True])
    scopes: list[str] | None = Field(
        description="Scopes of an authorized app; null for first-party sessions.",
        examples=[["posts:read"]],
    )
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    last_used_at: datetime = Field(description="Time of the last request.", examples=["2026-03-02T18:00:00Z"])


class RefreshRequest(RequestBody):
    """The most recent refresh token; each is exchanged once."""

    refresh_token: Annotated[PlainText, StringConstraints(pattern=r"^[A-Za-z0-9_-]{20,128}$")] = Field(
        examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"]
    )


class PublicUser(BaseModel):
    """Public profile of a user."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    username: str = Field(examples=["ada.okafor"])
    first_name: str = Field(examples=["Ada"])
    last_name: str = Field(examples=["Okafor"])
    avatar_url: AvatarAddress = Field(examples=["https://media.example.org/ada.jpg"])
    neighborhood: str | None = Field(examples=["Park Slope"])
    city: str | None = Field(examples=["New York"])
    interests: list[str] = Field(examples=[["gardening", "cycling"]])
    verified: bool = Field(examples=[False])
    reputation: int = Field(examples=[12])
    home_cell: str | None = Field(
        description="H3 cell (resolution 7) that contains the home.", examples=["872a100d2ffffff"]
    )
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class UsernameUse(StrEnum):
    """Whether a username can be registered, and why not."""

    AVAILABLE = "available"
    TAKEN = "taken"
    RESERVED = "reserved"


class UsernameAvailability(BaseModel):
    """Whether a username can be registered now."""

    username: str = Field(examples=["ada.okafor"])
    use: UsernameUse = Field(examples=["available"])


class Relation(BaseModel):
    """The authenticated user's relation to a user."""

    follows: bool = Field(description="Whether you follow them.", examples=[True])
    followed_by: bool = Field(description="Whether they follow you.", examples=[False])
    muted: bool = Field(description="Whether you mute them.", examples=[False])
    blocked: bool = Field(description="Whether you block them.", examples=[False])


class UserProfile(PublicUser):
    """Public profile of a user, with their followers and your relation to them."""

    follower_count: int = Field(examples=[41])
    following_count: int = Field(examples=[17])
    relation: Relation | None = Field(description="Null for yourself.")


NOT_FOR_APPS = ("home", "phone", "postal_code", "last_login")
"""Fields of the private profile that no third-party app receives."""


class PlatformRole(StrEnum):
    """Role of a user on the whole platform. Moderators decide on reports, admins also manage users."""

    MEMBER = "member"
    MODERATOR = "moderator"
    ADMIN = "admin"


class OwnUser(PublicUser):
    """Your profile. `home`, `phone`, `postal_code` and `last_login` are null for third-party apps."""

    email: str = Field(examples=["ada@example.org"])
    role: PlatformRole = Field(description="Your role on the platform.", examples=["member"])
    state: str | None = Field(examples=["NY"])
    country: str | None = Field(examples=["US"])
    postal_code: str | None = Field(examples=["11215"])
    phone: str | None = Field(examples=["+1 718 555 0114"])
    home: Point | None = Field(description="Your home location; not visible to others.")
    language: Language | None = Field(description="Language of emails and pushes; null for English.", examples=["es"])
    updated_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    last_login: datetime | None = Field(examples=["2026-03-02T18:00:00Z"])


class ReputationChangeOut(BaseModel):
    """A change of your reputation, with the counts it is calculated from."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["3f0e8a52-0c5c-4b7e-a6e0-9d6a4a1d8f10"])
    reputation: int = Field(examples=[12])
    parts: dict[str, int] = Field(
        description="Points: likes of posts and comments 1, helpful votes 2, completed sales 5, good ratings 3, bad "
        "ratings -5, moderated content -20, suspensions -50.",
        examples=[{"likes_of_posts": 7, "completed_sales": 1}],
    )
    created_at: datetime = Field(examples=["2026-03-01T03:07:00Z"])


class Tokens(BaseModel):
    """Tokens of a session: a short-lived access token, and a refresh token that is exchanged once."""

    access_token: str = Field(examples=["eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl"])
    refresh_token: str = Field(examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"])
    token_type: str = Field(examples=["bearer"])
    expires_in: int = Field(description="Seconds until the access token expires.", examples=[900])


class WebSession(BaseModel):
    """The session of the cookie. Send `csrf_token` as `X-CSRF-Token` with every write."""

    csrf_token: str = Field(examples=["3f6d1c0a9b7e4f2d8c5a1e0b9d7f3a6c3f6d1c0a9b7e4f2d8c5a1e0b9d7f3a6c"])
    expires_at: datetime = Field(
        description="End of the session, unless it is renewed.", examples=["2026-04-01T09:30:00Z"]
    )
    user: OwnUser


class NewWebSession(WebSession):
    """A new session by cookie."""

    device_token: str = Field(
        description="Send it as `X-Device-Token` when you log in again on this device. It grants no access; it exempts "
        "the device from limits that attempts of others exhaust.",
        examples=["9a1c04f2:gAAAAABm…"],
    )


class Session(Tokens):
    """A new session."""

    device_token: str = Field(
        description="Send it as `X-Device-Token` when you log in again on this device. It grants no access; it exempts "
        "the device from limits that attempts of others exhaust.",
        examples=["9a1c04f2:gAAAAABm…"],
    )
    user: OwnUser
