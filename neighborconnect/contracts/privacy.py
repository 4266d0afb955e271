"""Inventory of personal data: every location, and what an erasure does there.

The API and the pipelines derive erasures and data exports from it, ``GET /privacy/data-inventory`` publishes it, and
tests compare it with the catalogs of the databases.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from neighborconnect.contracts.tables import CAPTURED, CapturedTable


class Store(StrEnum):
    """Data stores of the platform."""

    DATABASE = "database"
    DOCUMENTS = "documents"
    OBJECTS = "objects"
    REDIS = "redis"
    MAIL = "mail"
    QUEUE = "queue"
    KAFKA = "kafka"
    LAKE = "lake"
    WAREHOUSE = "warehouse"
    FEATURES = "features"
    ONLINE_FEATURES = "online_features"
    MODELS = "models"


class ErasureAction(StrEnum):
    """Action of an erasure on one location.

    ``deleted``: rows are deleted. ``unlinked``: rows stay, the reference to the user is set to null. ``redacted``: text
    is removed unless the user asked to keep their content without a name; the row stays for replies. ``retained``: the
    row stays and holds only the id of the emptied account. ``expires``: retention removes it, within the time in
    ``note``.
    """

    DELETED = "deleted"
    UNLINKED = "unlinked"
    REDACTED = "redacted"
    RETAINED = "retained"
    EXPIRES = "expires"


@dataclass(frozen=True, slots=True)
class DataLocation:
    """A table, collection, key prefix or topic, and the column or key that identifies the data subject.

    Attributes:
        store: the data store.
        name: name of the table, collection, prefix or topic.
        subject_key: column or key that holds the user's id.
        action: what an erasure does.
        is_exported: whether data exports include it. Actions of other users on the subject are excluded.
        secret: columns that no export includes.
        note: reason, or retention.
    """

    store: Store
    name: str
    subject_key: str
    action: ErasureAction
    is_exported: bool = False
    secret: tuple[str, ...] = ()
    note: str = ""

    @property
    def label(self) -> str:
        """Identifier in receipts."""
        return f"{self.store.value}:{self.name}.{self.subject_key}"


def _table(
    name: str,
    subject_key: str,
    action: ErasureAction,
    *,
    is_exported: bool = True,
    secret: tuple[str, ...] = (),
    note: str = "",
) -> DataLocation:
    return DataLocation(Store.DATABASE, name, subject_key, action, is_exported, secret, note)


_ACCOUNT = "Name, email, phone and home are removed; an emptied account remains that cannot log in"
_NOT_YOURS = "An action of another user, whose privacy it concerns"
_PROOF = "The decision is retained; the text is removed"

USERS_LOCATION = _table(
    "users",
    "id",
    ErasureAction.REDACTED,
    secret=("password_hash", "email_hash", "email_encrypted", "phone_encrypted", "home_encrypted"),
    note=_ACCOUNT,
)
"""Redacted last: it holds the address of the final email."""

# In the order of the erasure: memberships end before connectors without members are redacted.
DATABASE_LOCATIONS: tuple[DataLocation, ...] = (
    USERS_LOCATION,
    _table("embeddings", "subject_id", ErasureAction.DELETED, is_exported=False, note="Embeddings of their texts"),
    _table(
        "search_documents",
        "subject_id",
        ErasureAction.DELETED,
        is_exported=False,
        note="Search index; the vocabulary follows within a minute",
    ),
    _table("follows", "follower_id", ErasureAction.DELETED),
    _table("follows", "followee_id", ErasureAction.DELETED),
    _table("blocks", "blocker_id", ErasureAction.DELETED),
    _table("blocks", "blocked_id", ErasureAction.DELETED, is_exported=False, note=_NOT_YOURS),
    _table("mutes", "muter_id", ErasureAction.DELETED),
    _table("mutes", "muted_id", ErasureAction.DELETED, is_exported=False, note=_NOT_YOURS),
    _table("user_sessions", "user_id", ErasureAction.DELETED),
    _table("refresh_tokens", "user_id", ErasureAction.DELETED, is_exported=False),
    _table("one_time_tokens", "user_id", ErasureAction.DELETED, is_exported=False),
    _table(
        "second_factors", "user_id", ErasureAction.DELETED, secret=("secret_encrypted", "recovery_hashes", "last_step")
    ),
    _table("linked_accounts", "user_id", ErasureAction.DELETED),
    _table("oauth_apps", "owner_id", ErasureAction.DELETED, secret=("secret_hash",)),
    _table("oauth_codes", "user_id", ErasureAction.DELETED, is_exported=False),
    _table("reputation_changes", "user_id", ErasureAction.DELETED),
    _table(
        "idempotency_keys",
        "user_id",
        ErasureAction.DELETED,
        is_exported=False,
        note="Responses of the last day, for replays",
    ),
    _table("hidden_items", "user_id", ErasureAction.DELETED),
    _table("post_bookmarks", "user_id", ErasureAction.DELETED),
    _table("recommendation_feedback", "user_id", ErasureAction.DELETED),
    _table("recommendation_feedback", "author_id", ErasureAction.DELETED, is_exported=False, note=_NOT_YOURS),
    _table("recommendation_preferences", "user_id", ErasureAction.DELETED),
    _table("item_exposures", "user_id", ErasureAction.DELETED, note="Items that feeds showed and the user opened"),
    _table(
        "feed_decisions",
        "user_id",
        ErasureAction.DELETED,
        secret=("excluded",),
        note="Why your feeds had their items; the excluded items are those that you acted on or saw",
    ),
    _table("model_changes", "requested_by", ErasureAction.UNLINKED, is_exported=False),
    _table("consents", "user_id", ErasureAction.DELETED),
    _table("data_exports", "user_id", ErasureAction.DELETED),
    _table("erasures", "user_id", ErasureAction.RETAINED, is_exported=False, note="The receipt"),
    _table(
        "retired_usernames",
        "name_hash",
        ErasureAction.RETAINED,
        is_exported=False,
        note="A keyed hash of the username, without id or time, so that the name and its mentions are not reused",
    ),
    _table("notifications", "user_id", ErasureAction.DELETED),
    _table("notifications", "actor_id", ErasureAction.DELETED, is_exported=False, note=_NOT_YOURS),
    _table("notification_preferences", "user_id", ErasureAction.DELETED),
    _table("delivery_schedules", "user_id", ErasureAction.DELETED),
    _table("push_devices", "user_id", ErasureAction.DELETED, secret=("address", "p256dh", "auth")),
    _table(
        "connector_members", "user_id", ErasureAction.DELETED, note="Ownership passes to the longest-standing member"
    ),
    _table("connectors", "created_by", ErasureAction.UNLINKED, note="A connector without other members is redacted"),
    _table("connector_join_requests", "user_id", ErasureAction.DELETED),
    _table("connector_invitations", "user_id", ErasureAction.DELETED),
    _table("connector_invitations", "invited_by", ErasureAction.DELETED),
    _table("connector_bans", "user_id", ErasureAction.DELETED),
    _table("connector_bans", "banned_by", ErasureAction.UNLINKED, is_exported=False),
    _table("posts", "author_id", ErasureAction.REDACTED),
    _table("post_versions", "editor_id", ErasureAction.UNLINKED),
    _table("pinned_posts", "pinned_by", ErasureAction.UNLINKED),
    _table("post_likes", "user_id", ErasureAction.DELETED),
    _table("post_reactions", "user_id", ErasureAction.DELETED),
    _table("comments", "author_id", ErasureAction.REDACTED),
    _table("comment_likes", "user_id", ErasureAction.DELETED),
    _table("events", "created_by", ErasureAction.REDACTED),
    _table("event_attendees", "user_id", ErasureAction.DELETED, note="The wait list is promoted"),
    _table("marketplace_items", "seller_id", ErasureAction.REDACTED),
    _table("marketplace_items", "reserved_by", ErasureAction.UNLINKED),
    _table("marketplace_item_views", "user_id", ErasureAction.DELETED),
    _table("marketplace_purchases", "buyer_id", ErasureAction.RETAINED, note="Proof of purchase for the other party"),
    _table("marketplace_purchases", "seller_id", ErasureAction.RETAINED, note="Proof of purchase for the other party"),
    _table("seller_reviews", "buyer_id", ErasureAction.REDACTED),
    _table("seller_reviews", "seller_id", ErasureAction.RETAINED),
    _table("reviews", "reviewer_id", ErasureAction.REDACTED),
    _table("review_votes", "user_id", ErasureAction.DELETED),
    _table("conversations", "created_by", ErasureAction.UNLINKED),
    _table("conversation_members", "user_id", ErasureAction.DELETED),
    _table("chat_messages", "author_id", ErasureAction.REDACTED),
    _table("chat_reactions", "user_id", ErasureAction.DELETED),
    _table(
        "chat_events", "user_id", ErasureAction.RETAINED, note="Sequence numbers that clients of other members rely on"
    ),
    _table("uploads", "owner_id", ErasureAction.DELETED),
    _table("media_captions", "author_id", ErasureAction.DELETED),
    _table("media_usage", "user_id", ErasureAction.DELETED),
    _table("media_engagements", "user_id", ErasureAction.DELETED),
    _table("moderation_cases", "owner_id", ErasureAction.REDACTED, note=_PROOF),
    _table("moderation_cases", "assignee_id", ErasureAction.UNLINKED, is_exported=False),
    _table("moderation_reports", "reporter_id", ErasureAction.REDACTED, note=_PROOF),
    _table("moderation_decisions", "moderator_id", ErasureAction.UNLINKED, is_exported=False),
    _table("moderation_appeals", "appellant_id", ErasureAction.REDACTED, note=_PROOF),
    _table("moderation_appeals", "decided_by", ErasureAction.UNLINKED, is_exported=False),
    _table("audit_log", "actor_id", ErasureAction.RETAINED, note="An append-only chain; it contains ids and no text"),
)

PRODUCT_LOCATIONS: tuple[DataLocation, ...] = (
    *DATABASE_LOCATIONS,
    DataLocation(Store.DOCUMENTS, "media", "owner_id", ErasureAction.DELETED, is_exported=True),
    DataLocation(Store.DOCUMENTS, "stories", "author_id", ErasureAction.DELETED, is_exported=True),
    DataLocation(Store.DOCUMENTS, "reels", "author_id", ErasureAction.DELETED, is_exported=True),
    DataLocation(Store.OBJECTS, "media", "prefix", ErasureAction.DELETED, note="Uploads, thumbnails and data exports"),
    DataLocation(Store.REDIS, "user:*:online", "key", ErasureAction.DELETED),
    DataLocation(Store.REDIS, "user:*:notifications", "key", ErasureAction.DELETED),
    DataLocation(Store.REDIS, "user:*:reminded", "key", ErasureAction.DELETED),
    DataLocation(
        Store.REDIS, "user:*:feeds", "key", ErasureAction.DELETED, note="Items of the feeds that you page through"
    ),
    DataLocation(Store.REDIS, "user:session:*", "key", ErasureAction.DELETED),
    DataLocation(Store.REDIS, "users:online", "member", ErasureAction.DELETED),
    DataLocation(Store.REDIS, "connector:*:members", "member", ErasureAction.EXPIRES, note="Within ten seconds"),
    DataLocation(
        Store.REDIS, "feed:*:items", "key", ErasureAction.EXPIRES, note="Items of your feeds, within seven days"
    ),
    DataLocation(Store.REDIS, "rate:*", "key", ErasureAction.EXPIRES, note="Within two minutes"),
    DataLocation(Store.QUEUE, "procrastinate_jobs", "args", ErasureAction.DELETED, note="Queued jobs"),
    DataLocation(
        Store.MAIL,
        "mail",
        "to",
        ErasureAction.DELETED,
        note="Emails in the folder of a platform without an SMTP server",
    ),
)
"""Locations that the erasure of the API processes."""

REDACTED_TITLES: Final = {"events": "An event", "marketplace_items": "An item"}
"""Text that an erasure writes in place of a title, by table; other texts become empty."""


def _copies(table: CapturedTable) -> list[DataLocation]:
    """Return the locations of a captured table in the lake, one for each published column that identifies a user.

    ==========================  ====================================================================================
    Action in the database      Action in the lake
    ==========================  ====================================================================================
    deleted, unlinked           the same
    redacted                    versions with text are deleted; without a published text, all versions are deleted
    retained                    deleted, because a copy proves nothing; ``erasures`` are retained for rebuilds
    ==========================  ====================================================================================
    """
    has_text = any(column.is_text for column in table.published)
    published = {column.name for column in table.published}
    copies = []
    for location in PRODUCT_LOCATIONS:
        if location.store not in {Store.DATABASE, Store.DOCUMENTS}:
            continue
        if location.name != table.name or location.subject_key not in published:
            continue
        action, note = location.action, ""
        if table.name == "erasures":
            note = "So that a rebuilt lake repeats the erasure"
        elif action is ErasureAction.RETAINED or (action is ErasureAction.REDACTED and not has_text):
            action = ErasureAction.DELETED
        copies.append(DataLocation(Store.LAKE, table.name, location.subject_key, action, note=note))
    return copies


EMBEDDINGS_LOCATION = DataLocation(
    Store.LAKE,
    "embeddings",
    "text_hash",
    ErasureAction.DELETED,
    note="Embeddings of texts that no post, connector or profile contains any more",
)
"""Keyed by text hash, not by user, so the erasure processes them separately, before the texts leave the lake."""

TRAINING_SET_FILES_LOCATION = DataLocation(
    Store.FEATURES,
    "training_set_files",
    "user_id",
    ErasureAction.EXPIRES,
    note="Files that operators wrote for a training; each erasure names the files, which their owners delete",
)
"""Outside of the platform's stores; the row count is the number of files."""

QUARANTINE_LOCATION = DataLocation(
    Store.FEATURES,
    "quarantine",
    "user_id",
    ErasureAction.DELETED,
    note="Computed features that failed a check and are not used, until they are computed again",
)
"""Partitions of features that failed a blocking check."""

PLATFORM_LOCATIONS: tuple[DataLocation, ...] = (
    EMBEDDINGS_LOCATION,
    DataLocation(
        Store.KAFKA,
        "topics",
        "key",
        ErasureAction.EXPIRES,
        note="After the topics' retention, seven days unless changed",
    ),
    *(location for table in CAPTURED for location in _copies(table)),
    DataLocation(
        Store.LAKE,
        "interactions",
        "user_id",
        ErasureAction.DELETED,
        is_exported=True,
        note="Your interactions with recommended and listed items",
    ),
    DataLocation(
        Store.LAKE,
        "predictions",
        "user_id",
        ErasureAction.DELETED,
        is_exported=True,
        note="Items that were recommended to you",
    ),
    DataLocation(
        Store.LAKE,
        "judgements",
        "user_id",
        ErasureAction.DELETED,
        is_exported=True,
        note="Predictions of models about you and your content",
    ),
    DataLocation(
        Store.LAKE, "exposures", "user_id", ErasureAction.DELETED, is_exported=True, note="Experiments you took part in"
    ),
    DataLocation(
        Store.LAKE,
        "training",
        "user_id",
        ErasureAction.EXPIRES,
        note="From the next training; earlier data sets within 30 days",
    ),
    DataLocation(Store.WAREHOUSE, "raw", "user_id", ErasureAction.DELETED, note="And every mart with such a column"),
    DataLocation(
        Store.FEATURES,
        "offline",
        "user_id",
        ErasureAction.DELETED,
        is_exported=True,
        note="Features that models use about you",
    ),
    QUARANTINE_LOCATION,
    DataLocation(Store.ONLINE_FEATURES, "redis", "key", ErasureAction.DELETED),
    DataLocation(
        Store.LAKE,
        "moderation_feedback",
        "text",
        ErasureAction.EXPIRES,
        note="From the next training; earlier data sets within 30 days",
    ),
    DataLocation(
        Store.MODELS,
        "user_vectors",
        "user_id",
        ErasureAction.DELETED,
        note="In MLflow runs, until a version is promoted",
    ),
    DataLocation(Store.MODELS, "item_indexes", "user_id", ErasureAction.EXPIRES, note="From the next daily training"),
    DataLocation(
        Store.MODELS,
        "item_qualities",
        "user_id",
        ErasureAction.EXPIRES,
        note="Ids of your items, from the next hour; earlier ones within three hours",
    ),
    DataLocation(
        Store.MODELS,
        "social_graphs",
        "user_id",
        ErasureAction.EXPIRES,
        note="From the next hour; earlier graphs within three hours",
    ),
    DataLocation(
        Store.MODELS,
        "influence",
        "user_id",
        ErasureAction.RETAINED,
        note="32-bit hashes, without id, by which a receipt lists the versions that were trained on you",
    ),
    TRAINING_SET_FILES_LOCATION,
    DataLocation(
        Store.KAFKA, "dead_letters", "value", ErasureAction.DELETED, note="Records that could not be processed"
    ),
)
"""Locations that the pipelines process: erasures within the hour, their part of data exports within minutes.

Their other personal data is copied from the stores of the API.
"""

DATA_INVENTORY: tuple[DataLocation, ...] = PRODUCT_LOCATIONS + PLATFORM_LOCATIONS


class Purpose(StrEnum):
    """Purposes that need consent."""

    PERSONALIZATION = "personalization"
    ANALYTICS = "analytics"
    MARKETING = "marketing"
    RESEARCH = "research"


GRANTED_UNTIL_WITHDRAWN = frozenset({Purpose.PERSONALIZATION, Purpose.ANALYTICS})
"""Purposes granted by default; the others need an explicit grant."""
