"""What people send and see of themselves and of each other."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, SecretStr, StringConstraints

from transactional_api.places import Point
from transactional_api.text import Line, Link, RequestBody

MAX_INTERESTS = 50
PASSWORD_LENGTH = (10, 128)


def _lower(value: str) -> str:
    return value.lower()


Email = Annotated[EmailStr, StringConstraints(max_length=255), AfterValidator(_lower)]
Username = Annotated[Line, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{3,50}$"), AfterValidator(_lower)]
Name = Annotated[Line, StringConstraints(min_length=1, max_length=100)]
Interest = Annotated[Line, StringConstraints(min_length=1, max_length=100)]


class Profile(RequestBody):
    """What a person tells of themselves; PUT replaces all of it."""

    first_name: Name = Field(examples=["Ada"])
    last_name: Name = Field(examples=["Okafor"])
    avatar_url: Annotated[Link, StringConstraints(max_length=500)] | None = Field(
        default=None, examples=["https://media.example.org/ada.jpg"]
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


class Registration(Profile):
    """A new neighbour."""

    email: Email = Field(examples=["ada@example.org"])
    username: Username = Field(examples=["ada.okafor"])
    password: SecretStr = Field(
        min_length=PASSWORD_LENGTH[0], max_length=PASSWORD_LENGTH[1], examples=["a long pass phrase"]
    )


OneTimeCode = Annotated[Line, StringConstraints(pattern=r"^[0-9A-Fa-f-]{6,20}$")]


class Credentials(RequestBody):
    """What a person logs in with."""

    email: Email = Field(examples=["ada@example.org"])
    password: SecretStr = Field(min_length=1, max_length=PASSWORD_LENGTH[1], examples=["a long pass phrase"])
    code: OneTimeCode | None = Field(
        default=None,
        description="Of accounts with a second factor: the code of the authenticator app, or one from paper.",
        examples=["492039"],
    )


class PasswordProof(RequestBody):
    """The present password, for what nobody else may do on an open session."""

    password: SecretStr = Field(min_length=1, max_length=PASSWORD_LENGTH[1], examples=["a long pass phrase"])


class CodeProof(RequestBody):
    """A code of the authenticator app."""

    code: OneTimeCode = Field(examples=["492039"])


class SecondFactorOff(PasswordProof):
    """The proofs that turn a second factor off: the password alone does not."""

    code: OneTimeCode | None = Field(
        default=None,
        description="Required while the second factor is on: a code of the authenticator app, or a recovery code.",
        examples=["492039"],
    )


class SecondFactorBegun(BaseModel):
    """What the authenticator app needs; it is shown this once."""

    secret: str = Field(examples=["JBSWY3DPEHPK3PXP"])
    uri: str = Field(
        description="For a QR code.", examples=["otpauth://totp/NeighborConnect:ada.okafor?secret=JBSWY3DPEHPK3PXP"]
    )


class RecoveryCodes(BaseModel):
    """Codes to write down: each opens the account once without the phone. They are shown this once."""

    codes: list[str] = Field(examples=[["5b0b7f8e-2b0e4d53"]])


class SecondFactorOut(BaseModel):
    """Whether the account asks for a second factor."""

    enabled: bool = Field(examples=[True])
    recovery_codes_left: int = Field(examples=[9])


NewPassword = Annotated[SecretStr, Field(min_length=PASSWORD_LENGTH[0], max_length=PASSWORD_LENGTH[1])]
LetterToken = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{20,128}$")]


class LetterProof(RequestBody):
    """The token out of a letter."""

    token: LetterToken = Field(examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"])


class ForgottenPassword(RequestBody):
    """Whose password is forgotten."""

    email: Email = Field(examples=["ada@example.org"])


class PasswordReset(LetterProof):
    """A new password, and the token out of the letter."""

    password: NewPassword = Field(examples=["a long pass phrase"])


class Undone(BaseModel):
    """A change was taken back; set a new password with this token (`POST /users/password/reset`)."""

    password_reset_token: str = Field(examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"])
    expires_in: int = Field(description="Seconds until the token expires.", examples=[3600])


class PasswordChange(RequestBody):
    """A new password, and the one before."""

    current_password: SecretStr = Field(min_length=1, max_length=PASSWORD_LENGTH[1], examples=["a long pass phrase"])
    password: NewPassword = Field(examples=["another long pass phrase"])


class SessionOut(BaseModel):
    """One of the viewer's open sessions."""

    id: UUID = Field(examples=["5b0b7f8e-2b0e-4d53-9c39-8f7c3f0f4f55"])
    user_agent: str | None = Field(examples=["Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)"])
    current: bool = Field(description="The session of this very request.", examples=[True])
    scopes: list[str] | None = Field(
        description="What an app may do in it that you let act for you; null for your own sessions.",
        examples=[["posts:read"]],
    )
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    last_used_at: datetime = Field(
        description="When something was last asked in it.", examples=["2026-03-02T18:00:00Z"]
    )


class RefreshRequest(RequestBody):
    """The refresh token of the last answer; each is good for one use."""

    refresh_token: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{20,128}$")] = Field(
        examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"]
    )


class PublicUser(BaseModel):
    """A neighbour as the others see them."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    username: str = Field(examples=["ada.okafor"])
    first_name: str = Field(examples=["Ada"])
    last_name: str = Field(examples=["Okafor"])
    avatar_url: str | None = Field(examples=["https://media.example.org/ada.jpg"])
    neighborhood: str | None = Field(examples=["Park Slope"])
    city: str | None = Field(examples=["New York"])
    interests: list[str] = Field(examples=[["gardening", "cycling"]])
    verified: bool = Field(examples=[False])
    reputation: int = Field(examples=[12])
    home_cell: str | None = Field(
        description="H3 cell (resolution 7) that the home is in.", examples=["872a100d2ffffff"]
    )
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


NOT_FOR_APPS = ("home", "phone", "postal_code", "last_login")
"""Fields of one's own profile that no third-party app receives, whatever its scopes."""


class OwnUser(PublicUser):
    """One's own profile. Where you live, your phone, postal code and last login are null for third-party apps."""

    email: str = Field(examples=["ada@example.org"])
    state: str | None = Field(examples=["NY"])
    country: str | None = Field(examples=["US"])
    postal_code: str | None = Field(examples=["11215"])
    phone: str | None = Field(examples=["+1 718 555 0114"])
    home: Point | None = Field(description="Where you live; nobody else sees it.")
    updated_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    last_login: datetime | None = Field(examples=["2026-03-02T18:00:00Z"])


class StandingOut(BaseModel):
    """What your standing became, and the counts that it is made of."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["3f0e8a52-0c5c-4b7e-a6e0-9d6a4a1d8f10"])
    reputation: int = Field(examples=[12])
    parts: dict[str, int] = Field(
        description="Likes of posts and of comments count 1, helpful votes 2, completed sales 5, good ratings 3, bad "
        "ratings -5, things that moderators took away -20, suspensions -50.",
        examples=[{"likes_of_posts": 7, "completed_sales": 1}],
    )
    created_at: datetime = Field(examples=["2026-03-01T03:07:00Z"])


class Tokens(BaseModel):
    """A session: a short access token, and a refresh token that is good for one use."""

    access_token: str = Field(examples=["eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl"])
    refresh_token: str = Field(examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"])
    token_type: str = Field(examples=["bearer"])
    expires_in: int = Field(description="Seconds until the access token expires.", examples=[900])


class Session(Tokens):
    """The answer to register and login."""

    device_token: str = Field(
        description="Send it as `X-Device-Token` when you log in again on this device. It opens nothing: with it, "
        "wrong passwords of others do not hold you up.",
        examples=["9a1c04f2:gAAAAABm…"],
    )
    user: OwnUser
