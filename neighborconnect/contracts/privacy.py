"""Every place where something of a person can lie, and what becomes of it when they ask to be forgotten.

The one registry: the API's erasure and export walk through its own stores' places, the pipelines' erasure through
theirs, ``GET /privacy/places`` shows all of it, and tests hold it against the databases' catalogues.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Store(StrEnum):
    """Where data lies."""

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


class Fate(StrEnum):
    """What becomes of it.

    ``deleted``: it goes. ``unlinked``: it stays and names nobody. ``blanked``: its words go, unless the person lets
    them stay without a name, and the row stays for those who answered. ``kept``: it holds nothing but the id of an
    account that is nobody's now. ``expires``: it goes by itself, when ``note`` says.
    """

    DELETED = "deleted"
    UNLINKED = "unlinked"
    BLANKED = "blanked"
    KEPT = "kept"
    EXPIRES = "expires"


@dataclass(frozen=True, slots=True)
class Place:
    """A table, collection, prefix or topic, and the column or key in it that says whose something is.

    Attributes:
        store: where.
        name: of the table or the like.
        person: the column or key that holds the person's id.
        fate: what erasure does.
        exported: whether the person's copy of their data has it. What others did to them is not theirs to see.
        secret: columns that no copy shows.
        note: why, or when.
    """

    store: Store
    name: str
    person: str
    fate: Fate
    exported: bool = False
    secret: tuple[str, ...] = ()
    note: str = ""

    @property
    def label(self) -> str:
        """How a receipt names it."""
        return f"{self.store.value}:{self.name}.{self.person}"


def _table(
    name: str, person: str, fate: Fate, *, exported: bool = True, secret: tuple[str, ...] = (), note: str = ""
) -> Place:
    return Place(Store.DATABASE, name, person, fate, exported, secret, note)


_ACCOUNT = "Name, address, phone and place go; an empty account remains that nobody can enter"
_NOT_YOURS = "What somebody else did; it would tell on them"
_PROOF = "What was decided stands; the words that it was about go"

USERS = _table(
    "users",
    "id",
    Fate.BLANKED,
    secret=("password_hash", "email", "email_sealed", "phone_sealed", "home_sealed"),
    note=_ACCOUNT,
)
"""Emptied last: until then it has the address that the last letter goes to."""

# In the order in which erasure sees to them: a connector is left before it is looked at for who else is in it.
DATABASE: tuple[Place, ...] = (
    USERS,
    _table("meanings", "subject_id", Fate.DELETED, exported=False, note="What their words mean, in numbers"),
    _table(
        "search_documents",
        "subject_id",
        Fate.DELETED,
        exported=False,
        note="The index of search; it follows what they wrote, and the vocabulary follows it within a minute",
    ),
    _table("follows", "follower_id", Fate.DELETED),
    _table("follows", "followee_id", Fate.DELETED),
    _table("blocks", "blocker_id", Fate.DELETED),
    _table("blocks", "blocked_id", Fate.DELETED, exported=False, note=_NOT_YOURS),
    _table("mutes", "muter_id", Fate.DELETED),
    _table("mutes", "muted_id", Fate.DELETED, exported=False, note=_NOT_YOURS),
    _table("user_sessions", "user_id", Fate.DELETED),
    _table("refresh_tokens", "user_id", Fate.DELETED, exported=False),
    _table("one_time_tokens", "user_id", Fate.DELETED, exported=False),
    _table("second_factors", "user_id", Fate.DELETED, secret=("secret_sealed", "recovery_hashes", "last_step")),
    _table("linked_accounts", "user_id", Fate.DELETED),
    _table("oauth_apps", "owner_id", Fate.DELETED, secret=("secret_hash",)),
    _table("oauth_codes", "user_id", Fate.DELETED, exported=False),
    _table("reputation_changes", "user_id", Fate.DELETED),
    _table("idempotency_keys", "user_id", Fate.DELETED, exported=False, note="Answers of the last day, twice kept"),
    _table("hidden_items", "user_id", Fate.DELETED),
    _table("consents", "user_id", Fate.DELETED),
    _table("data_exports", "user_id", Fate.DELETED),
    _table("erasures", "user_id", Fate.KEPT, exported=False, note="The receipt"),
    _table("notifications", "user_id", Fate.DELETED),
    _table("notifications", "actor_id", Fate.DELETED, exported=False, note=_NOT_YOURS),
    _table("notification_preferences", "user_id", Fate.DELETED),
    _table("notification_hours", "user_id", Fate.DELETED),
    _table("push_devices", "user_id", Fate.DELETED, secret=("address", "p256dh", "auth")),
    _table("connector_members", "user_id", Fate.DELETED, note="The member of longest standing takes over"),
    _table("connectors", "created_by", Fate.UNLINKED, note="One that nobody else was in is emptied"),
    _table("connector_join_requests", "user_id", Fate.DELETED),
    _table("connector_invitations", "user_id", Fate.DELETED),
    _table("connector_invitations", "invited_by", Fate.DELETED),
    _table("connector_bans", "user_id", Fate.DELETED),
    _table("connector_bans", "banned_by", Fate.UNLINKED, exported=False),
    _table("posts", "author_id", Fate.BLANKED),
    _table("post_versions", "editor_id", Fate.UNLINKED),
    _table("pinned_posts", "pinned_by", Fate.UNLINKED),
    _table("post_likes", "user_id", Fate.DELETED),
    _table("post_reactions", "user_id", Fate.DELETED),
    _table("comments", "author_id", Fate.BLANKED),
    _table("comment_likes", "user_id", Fate.DELETED),
    _table("events", "created_by", Fate.BLANKED),
    _table("event_attendees", "user_id", Fate.DELETED, note="The wait list moves up"),
    _table("marketplace_items", "seller_id", Fate.BLANKED),
    _table("marketplace_items", "reserved_by", Fate.UNLINKED),
    _table("marketplace_item_views", "user_id", Fate.DELETED),
    _table("marketplace_purchases", "buyer_id", Fate.KEPT, note="The other side's proof of a purchase"),
    _table("marketplace_purchases", "seller_id", Fate.KEPT, note="The other side's proof of a purchase"),
    _table("seller_reviews", "buyer_id", Fate.BLANKED),
    _table("seller_reviews", "seller_id", Fate.KEPT),
    _table("reviews", "reviewer_id", Fate.BLANKED),
    _table("review_votes", "user_id", Fate.DELETED),
    _table("conversations", "created_by", Fate.UNLINKED),
    _table("conversation_members", "user_id", Fate.DELETED),
    _table("chat_messages", "author_id", Fate.BLANKED),
    _table("chat_events", "user_id", Fate.KEPT, note="Numbers that other people's clients count by"),
    _table("uploads", "owner_id", Fate.DELETED),
    _table("media_captions", "author_id", Fate.DELETED),
    _table("media_usage", "user_id", Fate.DELETED),
    _table("media_marks", "user_id", Fate.DELETED),
    _table("moderation_cases", "owner_id", Fate.BLANKED, note=_PROOF),
    _table("moderation_cases", "assignee_id", Fate.UNLINKED, exported=False),
    _table("moderation_reports", "reporter_id", Fate.BLANKED, note=_PROOF),
    _table("moderation_decisions", "moderator_id", Fate.UNLINKED, exported=False),
    _table("moderation_appeals", "appellant_id", Fate.BLANKED, note=_PROOF),
    _table("moderation_appeals", "decided_by", Fate.UNLINKED, exported=False),
    _table("audit_log", "actor_id", Fate.KEPT, note="A chain that nobody may change; it has ids and no words"),
)

PRODUCT: tuple[Place, ...] = (
    *DATABASE,
    Place(Store.DOCUMENTS, "media", "ownerId", Fate.DELETED, exported=True),
    Place(Store.DOCUMENTS, "stories", "authorId", Fate.DELETED, exported=True),
    Place(Store.DOCUMENTS, "reels", "authorId", Fate.DELETED, exported=True),
    Place(Store.OBJECTS, "media", "prefix", Fate.DELETED, note="Uploads, their thumbnails, and copies of data"),
    Place(Store.REDIS, "user:*:online", "key", Fate.DELETED),
    Place(Store.REDIS, "user:*:notifications", "key", Fate.DELETED),
    Place(Store.REDIS, "user:session:*", "key", Fate.DELETED),
    Place(Store.REDIS, "users:online", "member", Fate.DELETED),
    Place(Store.REDIS, "connector:*:members", "member", Fate.EXPIRES, note="Within ten seconds"),
    Place(Store.REDIS, "rate:*", "key", Fate.EXPIRES, note="Within two minutes"),
    Place(Store.QUEUE, "procrastinate_jobs", "args", Fate.DELETED, note="Jobs that wait"),
    Place(Store.MAIL, "mail", "to", Fate.DELETED, note="Letters in the folder of a platform without a mail server"),
)
"""What the API's erasure sees to."""

EMBEDDINGS = Place(
    Store.LAKE,
    "embeddings",
    "text_hash",
    Fate.DELETED,
    note="Of words that are in no post, connector or profile any more",
)
"""Named by their texts, not by people, so erasure treats them apart, and before the texts leave the lake."""

PLATFORM: tuple[Place, ...] = (
    EMBEDDINGS,
    Place(Store.KAFKA, "topics", "key", Fate.EXPIRES, note="After the topics' retention, seven days unless changed"),
    Place(Store.LAKE, "users", "id", Fate.DELETED),
    Place(Store.LAKE, "connectors", "created_by", Fate.UNLINKED),
    Place(Store.LAKE, "connector_members", "user_id", Fate.DELETED),
    Place(Store.LAKE, "posts", "author_id", Fate.BLANKED),
    Place(Store.LAKE, "comments", "author_id", Fate.BLANKED),
    Place(Store.LAKE, "post_likes", "user_id", Fate.DELETED),
    Place(Store.LAKE, "follows", "follower_id", Fate.DELETED),
    Place(Store.LAKE, "follows", "followee_id", Fate.DELETED),
    Place(Store.LAKE, "erasures", "user_id", Fate.KEPT, note="So that a lake that is filled again forgets again"),
    Place(Store.LAKE, "interactions", "user_id", Fate.DELETED, exported=True, note="What you did with what you saw"),
    Place(Store.LAKE, "predictions", "user_id", Fate.DELETED, exported=True, note="What was recommended to you"),
    Place(Store.LAKE, "judgements", "user_id", Fate.DELETED, exported=True, note="What models said of you and yours"),
    Place(Store.LAKE, "exposures", "user_id", Fate.DELETED, exported=True, note="Which experiments you were in"),
    Place(Store.LAKE, "training", "user_id", Fate.EXPIRES, note="From the next training on; older ones, 30 days"),
    Place(Store.WAREHOUSE, "raw", "user_id", Fate.DELETED, note="And every mart with such a column"),
    Place(Store.FEATURES, "offline", "user_id", Fate.DELETED, exported=True, note="What models know you by"),
    Place(Store.ONLINE_FEATURES, "redis", "key", Fate.DELETED),
    Place(
        Store.LAKE, "moderation_feedback", "text", Fate.EXPIRES, note="From the next training on; older ones, 30 days"
    ),
    Place(Store.MODELS, "user_vectors", "user_id", Fate.DELETED, note="In MLflow's runs, until a version is released"),
    Place(Store.MODELS, "snapshots", "user_id", Fate.EXPIRES, note="From the next training on, which is daily"),
    Place(Store.MODELS, "town", "person", Fate.EXPIRES, note="From the next hour on; older ones, three hours"),
)
"""What the pipelines see to: the erasure within the hour, and their part of a copy, within minutes.

The rest of what they hold of a person is copied from the product's stores.
"""

PLACES: tuple[Place, ...] = PRODUCT + PLATFORM


class Purpose(StrEnum):
    """What somebody may allow us to use what we know of them for."""

    PERSONALISATION = "personalisation"
    ANALYTICS = "analytics"
    MARKETING = "marketing"
    RESEARCH = "research"


GRANTED_UNTIL_WITHDRAWN = frozenset({Purpose.PERSONALISATION, Purpose.ANALYTICS})
"""The others are refused until they are granted."""
