"""Reports, cases, decisions and appeals on the wire."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field, StrictBool, StringConstraints, model_validator

from transactional_api.text import Line, Moment, RequestBody, Text
from transactional_api.users.schemas import Credentials

_SUBJECT = "7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"
_CASE = "b0a7a3b2-5d0e-4a49-9d83-41a1e3f1c2d4"
_DECISION = "1d2c3b4a-5f6e-4d7c-8b9a-0a1b2c3d4e5f"
_AT = "2026-03-03T08:00:00Z"
_WORDS = "He sells what is not his."
_RULE = "No selling of stolen goods"


class SubjectKind(StrEnum):
    """What can be reported."""

    USER = "user"
    CONNECTOR = "connector"
    POST = "post"
    COMMENT = "comment"
    EVENT = "event"
    ITEM = "item"
    REVIEW = "review"
    MESSAGE = "message"
    UPLOAD = "upload"
    STORY = "story"
    REEL = "reel"
    SELLER_REVIEW = "seller_review"
    APP = "app"


class Reason(StrEnum):
    """Why it is reported."""

    SPAM = "spam"
    HARASSMENT = "harassment"
    HATE = "hate"
    VIOLENCE = "violence"
    NUDITY = "nudity"
    FRAUD = "fraud"
    PRIVACY = "privacy"
    OTHER = "other"


class Outcome(StrEnum):
    """What is decided. What is hidden may come back; what is removed comes back by appeal only."""

    KEEP = "keep"
    LABEL = "label"
    HIDE = "hide"
    REMOVE = "remove"
    SUSPEND = "suspend"


class CaseState(StrEnum):
    """How far a case is."""

    OPEN = "open"
    DECIDED = "decided"


class AppealState(StrEnum):
    """How far an appeal is."""

    OPEN = "open"
    UPHELD = "upheld"
    OVERTURNED = "overturned"


class NewReport(RequestBody):
    """What you want a moderator to look at."""

    subject_kind: SubjectKind = Field(examples=["item"])
    subject_id: UUID = Field(examples=[_SUBJECT])
    reason: Reason = Field(examples=["fraud"])
    words: Annotated[Text, StringConstraints(max_length=2_000)] = Field(default="", examples=[_WORDS])


class ReportOut(BaseModel):
    """A report of yours."""

    id: UUID = Field(examples=["9a8b7c6d-5e4f-4a3b-8c2d-1e0f9a8b7c6d"])
    subject_kind: SubjectKind = Field(examples=["item"])
    subject_id: UUID = Field(examples=[_SUBJECT])
    reason: Reason = Field(examples=["fraud"])
    state: CaseState = Field(examples=["open"])
    created_at: datetime = Field(examples=[_AT])


class CaseOut(BaseModel):
    """A case as moderators see it. Who reported it stays with the platform."""

    id: UUID = Field(examples=[_CASE])
    subject_kind: SubjectKind = Field(examples=["item"])
    subject_id: UUID = Field(examples=[_SUBJECT])
    owner_id: UUID | None = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    words: str = Field(description="What it said when it was reported.", examples=["A bicycle, hardly used."])
    state: CaseState = Field(examples=["open"])
    reports: int = Field(examples=[2])
    reasons: dict[Reason, int] = Field(examples=[{"fraud": 2}])
    assignee_id: UUID | None = Field(examples=[None])
    triage: dict[str, Any] | None = Field(
        description="What the content model or the rules say; null until they did.",
        examples=[{"verdict": "review", "path": "rules"}],
    )
    held: bool = Field(description="Whether it is kept back until you decide.", examples=[False])
    created_at: datetime = Field(examples=[_AT])


class NewDecision(RequestBody):
    """What you decide, by which rule."""

    outcome: Outcome = Field(examples=["hide"])
    rule: Annotated[Line, StringConstraints(min_length=1, max_length=500)] = Field(
        description="The rule it follows; everybody may read it.", examples=[_RULE]
    )
    label: Annotated[Line, StringConstraints(min_length=1, max_length=50)] | None = Field(
        default=None, description="Of the outcome `label`.", examples=[None]
    )
    until: Moment | None = Field(
        default=None, description="When hiding or suspension end; null for no end.", examples=["2026-04-01T00:00:00Z"]
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.outcome is Outcome.LABEL) != (self.label is not None):
            raise ValueError("A label goes with the outcome label, and it needs one")
        if self.until is not None and self.outcome not in {Outcome.HIDE, Outcome.SUSPEND}:
            raise ValueError("Only hiding and suspension end at a time")
        return self


class DecisionOut(BaseModel):
    """A decision, as its subject's owner and moderators see it."""

    id: UUID = Field(examples=[_DECISION])
    case_id: UUID = Field(examples=[_CASE])
    subject_kind: SubjectKind = Field(examples=["item"])
    subject_id: UUID = Field(examples=[_SUBJECT])
    outcome: Outcome = Field(examples=["hide"])
    label: str | None = Field(examples=[None])
    rule: str = Field(examples=[_RULE])
    until: datetime | None = Field(examples=["2026-04-01T00:00:00Z"])
    created_at: datetime = Field(examples=[_AT])
    undone_at: datetime | None = Field(examples=[None])


class LogEntry(BaseModel):
    """A decision without names."""

    subject_kind: SubjectKind = Field(examples=["item"])
    outcome: Outcome = Field(examples=["hide"])
    rule: str = Field(examples=[_RULE])
    until: datetime | None = Field(examples=[None])
    created_at: datetime = Field(examples=[_AT])
    undone_at: datetime | None = Field(description="When it was taken back or ended.", examples=[None])


class NewAppeal(RequestBody):
    """Why a decision about something of yours is wrong."""

    words: Annotated[Text, StringConstraints(min_length=1, max_length=2_000)] = Field(
        examples=["It is my own bicycle."]
    )


class SuspensionAppeal(Credentials):
    """Who you are, and why your suspension is wrong."""

    words: Annotated[Text, StringConstraints(min_length=1, max_length=2_000)] = Field(
        examples=["I was away; somebody else had my phone."]
    )


class AppealOut(BaseModel):
    """An appeal."""

    id: UUID = Field(examples=["4e3d2c1b-0a9f-4e8d-9c7b-6a5f4e3d2c1b"])
    decision_id: UUID = Field(examples=[_DECISION])
    words: str = Field(examples=["It is my own bicycle."])
    state: AppealState = Field(examples=["open"])
    created_at: datetime = Field(examples=[_AT])
    decided_at: datetime | None = Field(examples=[None])


class AppealDecision(RequestBody):
    """Whether the decision stays."""

    overturn: StrictBool = Field(description="True takes the decision back.", examples=[True])
