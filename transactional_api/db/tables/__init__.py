"""Every table of the product database; importing this package fills the metadata."""

from transactional_api.db.tables.connectors import Connector, ConnectorMember
from transactional_api.db.tables.idempotency import IdempotencyKey
from transactional_api.db.tables.interactions import HiddenItem
from transactional_api.db.tables.media import MediaDocument
from transactional_api.db.tables.posts import Comment, Post, PostLike
from transactional_api.db.tables.users import Follow, RefreshToken, User

__all__ = [
    "Comment",
    "Connector",
    "ConnectorMember",
    "Follow",
    "HiddenItem",
    "IdempotencyKey",
    "MediaDocument",
    "Post",
    "PostLike",
    "RefreshToken",
    "User",
]
