"""Request and response models of reports, cases, decisions and appeals."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field, StrictBool, StringConstraints, model_validator

from transactional_api.core.moderation import CaseState, Outcome, SubjectKind
from transactional_api.core.text import Line, Moment, RequestBody, Text
from transactional_api.identity.users.schemas import Credentials

_SUBJECT = "7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"
_CASE = "b0a7a3b2-5d0e-4a49-9d83-41a1e3f1c2d4"
_DECISION = "1d2c3b4a-5f6e-4d7c-8b9a-0a1b2c3d4e5f"
_AT = "2026-03-03T08:00:00Z"
_DETAILS = "He sells what is not his."
_RULE = "No selling of stolen goods"


class Reason(StrEnum):
    """Reason of a report."""

    SPAM = "spam"
    HARASSMENT = "harassment"
    HATE = "hate"
    VIOLENCE = "violence"
    NUDITY = "nudity"
    FRAUD = "fraud"
    PRIVACY = "privacy"
    OTHER = "other"


class AppealState(StrEnum):
    """State of an appeal."""

    OPEN = "open"
    UPHELD = "upheld"
    OVERTURNED = "overturned"


class NewReport(RequestBody):
    """Report of content to the moderators."""

    subject_kind: SubjectKind = Field(examples=["item"])
    subject_id: UUID = Field(examples=[_SUBJECT])
    reason: Reason = Field(examples=["fraud"])
    details: Annotated[Text, StringConstraints(max_length=2_000)] = Field(default="", examples=[_DETAILS])


class ReportOut(BaseModel):
    """Report of the viewer."""

    id: UUID = Field(examples=["9a8b7c6d-5e4f-4a3b-8c2d-1e0f9a8b7c6d"])
    subject_kind: SubjectKind = Field(examples=["item"])
    subject_id: UUID = Field(examples=[_SUBJECT])
    reason: Reason = Field(examples=["fraud"])
    state: CaseState = Field(examples=["open"])
    created_at: datetime = Field(examples=[_AT])


class CaseOut(BaseModel):
    """Moderation case. Reporters are not disclosed."""

    id: UUID = Field(examples=[_CASE])
    subject_kind: SubjectKind = Field(examples=["item"])
    subject_id: UUID = Field(examples=[_SUBJECT])
    owner_id: UUID | None = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    content_snapshot: str = Field(description="Text when the case was opened.", examples=["A bicycle, hardly used."])
    state: CaseState = Field(examples=["open"])
    report_count: int = Field(examples=[2])
    reasons: dict[Reason, int] = Field(examples=[{"fraud": 2}])
    assignee_id: UUID | None = Field(examples=[None])
    triage: dict[str, Any] | None = Field(
        description="Assessment by the content model or the rules; null before triage.",
        examples=[{"verdict": "review", "source": "rules"}],
    )
    is_held: bool = Field(description="Whether it is hidden until a moderator decides.", examples=[False])
    created_at: datetime = Field(examples=[_AT])


class NewDecision(RequestBody):
    """Decision and the rule that it applies."""

    outcome: Outcome = Field(examples=["hide"])
    rule: Annotated[Line, StringConstraints(min_length=1, max_length=500)] = Field(
        description="Rule that the decision applies; public.", examples=[_RULE]
    )
    label: Annotated[Line, StringConstraints(min_length=1, max_length=50)] | None = Field(
        default=None, description="Label text; only for the outcome `label`.", examples=[None]
    )
    until: Moment | None = Field(
        default=None, description="End of the hiding or suspension; null for no end.", examples=["2026-04-01T00:00:00Z"]
    )

    @model_validator(mode="after")
    def _options_match_outcome(self) -> Self:
        if (self.outcome is Outcome.LABEL) != (self.label is not None):
            raise ValueError("The outcome label requires a label, and no other outcome accepts one")
        if self.until is not None and self.outcome not in {Outcome.HIDE, Outcome.SUSPEND}:
            raise ValueError("Only the outcomes hide and suspend accept an end")
        return self


class DecisionOut(BaseModel):
    """Decision as visible to the owner of its subject and to moderators."""

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
    """Decision in the public log, without names."""

    subject_kind: SubjectKind = Field(examples=["item"])
    outcome: Outcome = Field(examples=["hide"])
    rule: str = Field(examples=[_RULE])
    until: datetime | None = Field(examples=[None])
    created_at: datetime = Field(examples=[_AT])
    undone_at: datetime | None = Field(description="When it was reversed or ended.", examples=[None])


class NewAppeal(RequestBody):
    """Appeal against a decision about the viewer's content."""

    statement: Annotated[Text, StringConstraints(min_length=1, max_length=2_000)] = Field(
        examples=["It is my own bicycle."]
    )


class SuspensionAppeal(Credentials):
    """Credentials, and a statement against the suspension."""

    statement: Annotated[Text, StringConstraints(min_length=1, max_length=2_000)] = Field(
        examples=["I was away; somebody else had my phone."]
    )


class AppealOut(BaseModel):
    """Appeal against a decision."""

    id: UUID = Field(examples=["4e3d2c1b-0a9f-4e8d-9c7b-6a5f4e3d2c1b"])
    decision_id: UUID = Field(examples=[_DECISION])
    statement: str = Field(examples=["It is my own bicycle."])
    state: AppealState = Field(examples=["open"])
    created_at: datetime = Field(examples=[_AT])
    decided_at: datetime | None = Field(examples=[None])


class AppealDecision(RequestBody):
    """Decision about an appeal."""

    overturn: StrictBool = Field(description="True reverses the decision, false upholds it.", examples=[True])
