"""Captured tables of moderation, and conversations as counts."""

from __future__ import annotations

from neighborconnect.contracts.columns import (
    RECOMMENDATION,
    CapturedTable,
    ColumnType,
    personal,
    public,
    row_id,
    time,
    withheld,
)

_UUID, _TEXT, _INT, _BOOL, _JSON, _BIGINT = (
    ColumnType.UUID,
    ColumnType.TEXT,
    ColumnType.INTEGER,
    ColumnType.BOOLEAN,
    ColumnType.JSON,
    ColumnType.BIGINT,
)

MODERATION_CASES = CapturedTable(
    "moderation_cases",
    (
        row_id("case"),
        public("subject_kind", _TEXT, "Kind of the subject."),
        public("subject_id", _UUID, "Id of the subject."),
        withheld("owner_id", _UUID, references="users"),
        withheld("content_snapshot", _TEXT),
        public("state", _TEXT, "State of the case.", values=("open", "decided")),
        public("report_count", _INT, "Number of reports; 0 if the content model opened the case."),
        withheld("assignee_id", _UUID, references="users"),
        withheld("triage", _JSON),
        public("is_held", _BOOL, "Whether the content model hides the subject until the decision."),
        time("created_at", "Time when the case was opened"),
    ),
    description="Content that was reported or flagged, until a moderator decides; without the content and its owner.",
)
MODERATION_REPORTS = CapturedTable(
    "moderation_reports",
    (
        row_id("report"),
        public("case_id", _UUID, "Id of the moderation case.", references="moderation_cases"),
        personal("reporter_id", _UUID, "Id of the reporter.", consumers=(RECOMMENDATION,), references="users"),
        public("reason", _TEXT, "Reason of the report."),
        withheld("details", _TEXT),
        time("created_at", "Time of the report"),
    ),
    description="A user's report of a subject, without its words; the reporter is for the recommender only.",
)
MODERATION_DECISIONS = CapturedTable(
    "moderation_decisions",
    (
        row_id("decision"),
        public("case_id", _UUID, "Id of the moderation case.", references="moderation_cases"),
        withheld("moderator_id", _UUID, references="users"),
        public("outcome", _TEXT, "Outcome.", values=("keep", "label", "hide", "remove", "suspend")),
        public("label", _TEXT, "Label added to the subject."),
        public("rule", _TEXT, "Rule that was violated."),
        time("until", "End of the hiding or suspension"),
        public("took_effect", _BOOL, "Whether this decision hid the subject."),
        time("created_at", "Time of the decision"),
        time("undone_at", "Time of the reversal; null if it was not reversed"),
        public("subject_kind", _TEXT, "Kind of the moderated subject."),
        public("subject_id", _UUID, "Id of the moderated subject."),
    ),
    description="A moderator's decision, without the moderator.",
)
MODERATION_APPEALS = CapturedTable(
    "moderation_appeals",
    (
        row_id("appeal"),
        public("decision_id", _UUID, "Id of the decision.", references="moderation_decisions"),
        withheld("appellant_id", _UUID, references="users"),
        withheld("statement", _TEXT),
        public("state", _TEXT, "State of the appeal.", values=("open", "upheld", "overturned")),
        withheld("decided_by", _UUID, references="users"),
        time("created_at", "Time of the appeal"),
        time("decided_at", "Time of the decision on it; null while it is open"),
    ),
    description="An appeal against a decision, without its words and the people in it.",
)
CONVERSATIONS = CapturedTable(
    "conversations",
    (
        row_id("conversation"),
        public("kind", _TEXT, "Kind of the conversation.", values=("direct", "group")),
        withheld("title", _TEXT),
        withheld("created_by", _UUID, references="users"),
        withheld("direct_key", _TEXT),
        public(
            "last_event_id",
            _BIGINT,
            "Number of events so far: messages, edits, deletions, reactions, joins, departures.",
        ),
        time("last_message_at", "Time of the last message"),
        time("created_at", "Creation time"),
    ),
    description="Counts of a conversation: never a word of it, and not the people in it.",
)
