"""Request and response bodies of webhooks."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from transactional_api.core.text import PlainText, RequestBody
from transactional_api.core.webhooks import WebhookEvent

WebhookUrl = Annotated[PlainText, StringConstraints(min_length=8, max_length=500)]


class WebhookBody(RequestBody):
    """Address and events of a webhook; PUT replaces all fields."""

    url: WebhookUrl = Field(
        description="Address that receives the events; https on a public host.",
        examples=["https://calendar.example.org/webhooks"],
    )
    event_types: list[WebhookEvent] = Field(
        min_length=1,
        max_length=len(WebhookEvent),
        description="Events to receive, as far as users granted the app their scope and may see the subject.",
        examples=[["post.created", "event.created"]],
    )
    enabled: StrictBool = Field(
        default=True, description="False stops deliveries; true starts them again.", examples=[True]
    )


class WebhookOut(BaseModel):
    """A webhook of your app."""

    id: UUID = Field(examples=["1d0c6a35-5a0f-4e0c-9e0b-2f6f0c1a7b11"])
    url: str = Field(examples=["https://calendar.example.org/webhooks"])
    event_types: list[WebhookEvent] = Field(examples=[["post.created", "event.created"]])
    enabled: bool = Field(description="False after persistent failures, or by your choice.", examples=[True])
    failing_since: datetime | None = Field(
        description="First failed attempt since the last success; null without one.", examples=[None]
    )
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class NewWebhookOut(WebhookOut):
    """A webhook of your app with its new secret."""

    secret: str = Field(
        description="Shown only once: verify the signature of every message with it (Standard Webhooks).",
        examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"],
    )


class DeliveryState(StrEnum):
    """State of a delivery. Withheld: no user of the app may see the subject any more, or the webhook is disabled."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    WITHHELD = "withheld"


class AttemptError(StrEnum):
    """Why an attempt failed."""

    STATUS = "status"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"


class DeliveryAttempt(BaseModel):
    """An attempt to deliver a message."""

    at: datetime = Field(examples=["2026-03-03T08:00:01Z"])
    status: int | None = Field(description="HTTP status of the response; null without one.", examples=[204])
    error: AttemptError | None = Field(description="Null for a success.", examples=[None])
    milliseconds: int = Field(examples=[38])


class WebhookDeliveryOut(BaseModel):
    """A message and its attempts. Its `webhook-id` is the same in every attempt."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(description="`webhook-id` of the message.", examples=["5b0b7f8e-2b0e-4d53-9c39-8f7c3f0f4f55"])
    event: str = Field(description="Type of the event; `webhook.test` for a test.", examples=["post.created"])
    subject_id: UUID = Field(
        description="Id of the post, comment, event, item or notification.",
        examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"],
    )
    state: DeliveryState = Field(examples=["delivered"])
    attempts: list[DeliveryAttempt]
    next_attempt_at: datetime | None = Field(examples=[None])
    created_at: datetime = Field(examples=["2026-03-03T08:00:00Z"])
