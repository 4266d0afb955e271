"""Request and response bodies of ``/privacy``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from neighborconnect.contracts.privacy import ErasureAction, Purpose, Store
from transactional_api.core.text import PlainText, RequestBody
from transactional_api.identity.users.schemas import Password

ReceiptCode = Annotated[PlainText, StringConstraints(pattern=r"^[A-Za-z0-9_-]{20,128}$")]


class ConsentBody(RequestBody):
    """Decision on a purpose."""

    granted: StrictBool = Field(examples=[False])


class ConsentOut(BaseModel):
    """Current consent for one purpose."""

    purpose: Purpose = Field(examples=["personalization"])
    granted: bool = Field(examples=[False])
    decided_at: datetime | None = Field(
        description="When you decided; null while the default applies.", examples=["2026-03-01T09:30:00Z"]
    )


class ConsentsOut(BaseModel):
    """Current consent for every purpose."""

    consents: list[ConsentOut]


class ConsentRecord(BaseModel):
    """One decision in your consent history."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["3f0e8a52-0c5c-4b7e-a6e0-9d6a4a1d8f10"])
    purpose: Purpose = Field(examples=["personalization"])
    granted: bool = Field(examples=[False])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class ExportOut(BaseModel):
    """An export of your data."""

    id: UUID = Field(examples=["3f0e8a52-0c5c-4b7e-a6e0-9d6a4a1d8f10"])
    state: str = Field(description="`waiting`, then `ready`.", examples=["ready"])
    complete: bool = Field(
        description="Whether it includes the analytical stores: interactions, recommendations and model features. "
        "They follow within minutes; download the export again then.",
        examples=[True],
    )
    bytes: int | None = Field(examples=[48_213])
    url: str | None = Field(
        description="Download link of the zip, valid for one hour; request the export again for a new link.",
        examples=["https://media.example.org/exports/3f0e8a52.zip?signature=…"],
    )
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    expires_at: datetime = Field(examples=["2026-03-08T09:30:00Z"])


class UnfinishedExport(BaseModel):
    """An export that lacks the part of the pipelines."""

    id: UUID = Field(examples=["3f0e8a52-0c5c-4b7e-a6e0-9d6a4a1d8f10"])
    user_id: UUID = Field(description="The data subject.", examples=["b9d0f3a6-52b1-4a0e-8a54-3f5b0c1d2e3f"])
    upload_url: str = Field(
        description="Link to `PUT` the part to, a zip of JSON files, within one hour.",
        examples=["https://objects.example.org/media/b9d0f3a6/exports/3f0e8a52.part.zip?signature=…"],
    )


class UnfinishedExportsOut(BaseModel):
    """Exports that lack the part of the pipelines, oldest first."""

    exports: list[UnfinishedExport]


class ErasureBody(RequestBody):
    """Erasure request."""

    password: Password
    keep_words: StrictBool = Field(
        description="Keep your texts without your name. Images and videos are always deleted.", examples=[False]
    )


class ErasureOut(BaseModel):
    """Accepted erasure. Your account is closed already."""

    id: UUID = Field(examples=["3f0e8a52-0c5c-4b7e-a6e0-9d6a4a1d8f10"])
    code: str = Field(
        description="Code for `GET /privacy/receipts/{code}`; it is shown only once.",
        examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"],
    )


class ReceiptLine(BaseModel):
    """Result of an erasure in one location."""

    location: str = Field(examples=["database:posts.author_id"], max_length=200)
    action: ErasureAction = Field(examples=["redacted"])
    row_count: int | None = Field(
        description="Number of processed rows, objects or keys; null where data only expires.", examples=[12], ge=0
    )
    completed_at: datetime = Field(examples=["2026-03-01T09:31:02Z"])


class InfluencedModel(BaseModel):
    """A version of a model that was trained on data of the user."""

    name: str = Field(description="Registered model.", examples=["post-recommender"], max_length=200)
    model_version: str = Field(examples=["post-0f3a5c9d1e2b"], max_length=200)
    is_champion: bool = Field(description="Whether it was served at the time; it is retrained then.", examples=[True])


class ReceiptSignature(BaseModel):
    """Ed25519 signature over the canonical JSON (RFC 8785) of the receipt without this member."""

    key_id: str = Field(description="`kid` of the key in `GET /privacy/receipt-keys`.", examples=["3e1f0a9b5c7d2468"])
    digest: str = Field(description="SHA-256, hex; the audit chain holds it, too.", examples=["9f" * 32])
    value: str = Field(description="Signature, hex.", examples=["0a" * 64])


class ReceiptOut(BaseModel):
    """Receipt of an erasure by location; it is signed, and does not change any more, once it is complete."""

    id: UUID = Field(description="Id of the erasure.", examples=["3f0e8a52-0c5c-4b7e-a6e0-9d6a4a1d8f10"])
    requested_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    keep_words: bool = Field(examples=[False])
    done_at: datetime | None = Field(
        description="When the stores of the product were completed.", examples=["2026-03-01T09:31:04Z"]
    )
    platform_done_at: datetime | None = Field(
        description="When lake, warehouse and feature stores were completed.", examples=["2026-03-01T10:00:12Z"]
    )
    lines: list[ReceiptLine]
    influenced_models: list[InfluencedModel] = Field(
        description="Versions of models that were trained on your data. A version may be listed by mistake, with a "
        "probability below one in a thousand, because whom it was trained on is stored as short hashes."
    )
    signature: ReceiptSignature | None = Field(description="Null until the erasure is complete everywhere.")


class PlatformReceipt(RequestBody):
    """Receipt lines of the pipelines."""

    lines: list[ReceiptLine] = Field(max_length=500)
    influenced_models: list[InfluencedModel] = Field(
        default=[], max_length=10_000, description="Versions that were trained on data of the user."
    )


class RequestedErasure(BaseModel):
    """An erasure that its user requested."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["3f0e8a52-0c5c-4b7e-a6e0-9d6a4a1d8f10"])
    user_id: UUID = Field(examples=["8f3a2a52-1c5c-4b7e-a6e0-9d6a4a1d8f11"])
    keep_words: bool = Field(examples=[False])
    requested_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    platform_done_at: datetime | None = Field(
        description="When the pipelines first reported it.", examples=["2026-03-01T10:00:12Z"]
    )


class RequestedErasures(BaseModel):
    """Erasures ordered by id."""

    erasures: list[RequestedErasure]


class DataLocationOut(BaseModel):
    """A location of personal data."""

    model_config = ConfigDict(from_attributes=True)

    store: Store = Field(examples=["database"])
    name: str = Field(examples=["posts"])
    subject_key: str = Field(description="Column or key that holds the user's id.", examples=["author_id"])
    action: ErasureAction = Field(description="What an erasure does.", examples=["redacted"])
    is_exported: bool = Field(description="Whether exports of your data include it.", examples=[True])
    note: str = Field(examples=["Proof of purchase for the other party"])


class RetentionPolicyOut(BaseModel):
    """Retention of one class of data."""

    data: str = Field(examples=["read notifications"])
    days: int = Field(examples=[180])


class DataInventoryOut(BaseModel):
    """Locations and retention of personal data."""

    locations: list[DataLocationOut]
    retention_policies: list[RetentionPolicyOut]
