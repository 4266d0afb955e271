"""What people send and see of what is kept of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StrictBool, StringConstraints

from neighborconnect.contracts.privacy import Fate, Purpose, Store
from transactional_api.text import RequestBody
from transactional_api.users.schemas import PASSWORD_LENGTH

ReceiptCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{20,128}$")]


class ConsentBody(RequestBody):
    """What you say to one purpose."""

    granted: StrictBool = Field(examples=[False])


class ConsentOut(BaseModel):
    """What holds for one purpose."""

    purpose: Purpose = Field(examples=["personalisation"])
    granted: bool = Field(examples=[False])
    said_at: datetime | None = Field(
        description="When you said so; null while you said nothing and the default holds.",
        examples=["2026-03-01T09:30:00Z"],
    )


class ConsentsOut(BaseModel):
    """What holds for every purpose."""

    consents: list[ConsentOut]


class SaidOut(BaseModel):
    """What you once said to a purpose."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["3f0e8a52-0c5c-4b7e-a6e0-9d6a4a1d8f10"])
    purpose: Purpose = Field(examples=["personalisation"])
    granted: bool = Field(examples=[False])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class ExportOut(BaseModel):
    """Your copy of what is known of you."""

    id: UUID = Field(examples=["3f0e8a52-0c5c-4b7e-a6e0-9d6a4a1d8f10"])
    state: str = Field(description="`waiting`, then `ready`.", examples=["ready"])
    complete: bool = Field(
        description="Whether the part of the analytical stores is in it: what you viewed and clicked, what was "
        "recommended to you, what models know you by. It follows within minutes; fetch the copy again then.",
        examples=[True],
    )
    bytes: int | None = Field(examples=[48_213])
    url: str | None = Field(
        description="Where the zip is, for the next hour; ask again for a new link.",
        examples=["https://media.example.org/exports/3f0e8a52.zip?signature=…"],
    )
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    expires_at: datetime = Field(examples=["2026-03-08T09:30:00Z"])


class UnfinishedExport(BaseModel):
    """A copy that lacks the pipelines' part."""

    id: UUID = Field(examples=["3f0e8a52-0c5c-4b7e-a6e0-9d6a4a1d8f10"])
    user_id: UUID = Field(description="Whose it is.", examples=["b9d0f3a6-52b1-4a0e-8a54-3f5b0c1d2e3f"])
    upload_url: str = Field(
        description="Where the part is to be PUT, a zip of JSON files, within the hour.",
        examples=["https://objects.example.org/media/b9d0f3a6/exports/3f0e8a52.part.zip?signature=…"],
    )


class UnfinishedExportsOut(BaseModel):
    """Copies that lack the pipelines' part, the oldest first."""

    exports: list[UnfinishedExport]


class ErasureBody(RequestBody):
    """The wish to be forgotten."""

    password: SecretStr = Field(min_length=1, max_length=PASSWORD_LENGTH[1], examples=["a long pass phrase"])
    keep_words: StrictBool = Field(
        description="Let what you wrote stay, without your name. Pictures and videos go in any case.", examples=[False]
    )


class ErasureOut(BaseModel):
    """What you need to see how far it is. Your account is closed already."""

    id: UUID = Field(examples=["3f0e8a52-0c5c-4b7e-a6e0-9d6a4a1d8f10"])
    code: str = Field(
        description="What `GET /privacy/receipts/{code}` shows the receipt for; it is not shown again.",
        examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"],
    )


class ReceiptLine(BaseModel):
    """What became of one place."""

    place: str = Field(examples=["database:posts.author_id"], max_length=200)
    fate: Fate = Field(examples=["blanked"])
    number: int | None = Field(
        description="Rows, objects or keys that were seen to; null where nothing is done but wait.",
        examples=[12],
        ge=0,
    )
    at: datetime = Field(examples=["2026-03-01T09:31:02Z"])


class ReceiptOut(BaseModel):
    """How far an erasure is, place by place."""

    requested_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    keeps_words: bool = Field(examples=[False])
    done_at: datetime | None = Field(
        description="When the product's own stores had forgotten.", examples=["2026-03-01T09:31:04Z"]
    )
    platform_done_at: datetime | None = Field(
        description="When lake, warehouse and features had.", examples=["2026-03-01T10:00:12Z"]
    )
    lines: list[ReceiptLine]


class PlatformReceipt(RequestBody):
    """What the pipelines have seen to."""

    lines: list[ReceiptLine] = Field(max_length=500)


class RequestedErasure(BaseModel):
    """An erasure that its person requested."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["3f0e8a52-0c5c-4b7e-a6e0-9d6a4a1d8f10"])
    user_id: UUID = Field(examples=["8f3a2a52-1c5c-4b7e-a6e0-9d6a4a1d8f11"])
    keeps_words: bool = Field(examples=[False])
    requested_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class RequestedErasures(BaseModel):
    """Erasures in the order of their ids."""

    erasures: list[RequestedErasure]


class PlaceOut(BaseModel):
    """One place where something of a person can lie."""

    model_config = ConfigDict(from_attributes=True)

    store: Store = Field(examples=["database"])
    name: str = Field(examples=["posts"])
    person: str = Field(examples=["author_id"])
    fate: Fate = Field(examples=["blanked"])
    exported: bool = Field(description="Whether your copy of your data has it.", examples=[True])
    note: str = Field(examples=["The other side's proof of a purchase"])


class ClockOut(BaseModel):
    """How long one class of data is kept."""

    data: str = Field(examples=["notifications that were read"])
    days: int = Field(examples=[180])


class PlacesOut(BaseModel):
    """Where data lies, and for how long."""

    places: list[PlaceOut]
    clocks: list[ClockOut]
