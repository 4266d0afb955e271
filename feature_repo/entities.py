"""Entities of the features. Keys are the rows' uuids as lower-case text."""

from __future__ import annotations

from feature_repo.schemas import (
    AUTHOR_ID,
    CONNECTOR_ID,
    EVENT_ID,
    H3_CELL,
    MARKETPLACE_ITEM_ID,
    MODEL_VERSION,
    POST_ID,
    USER_ID,
)
from feature_repo.vendor_patches import Entity, ValueType

USER = Entity(name="user", join_keys=[USER_ID], value_type=ValueType.STRING, description="A neighbour.")
CONNECTOR = Entity(
    name="connector", join_keys=[CONNECTOR_ID], value_type=ValueType.STRING, description="A place or group to join."
)
POST = Entity(name="post", join_keys=[POST_ID], value_type=ValueType.STRING, description="A post in a connector.")
MODEL_VERSION_ENTITY = Entity(
    name="model_version",
    join_keys=[MODEL_VERSION],
    value_type=ValueType.STRING,
    description="The version of the model whose space a vector lives in; vectors of two versions do not mix.",
)

AUTHOR = Entity(
    name="author", join_keys=[AUTHOR_ID], value_type=ValueType.STRING, description="A user as the author of posts."
)
PLACE = Entity(name="place", join_keys=[H3_CELL], value_type=ValueType.STRING, description="A cell of the H3 grid.")
EVENT = Entity(name="event", join_keys=[EVENT_ID], value_type=ValueType.STRING, description="An event of a connector.")
MARKETPLACE_ITEM = Entity(
    name="marketplace_item",
    join_keys=[MARKETPLACE_ITEM_ID],
    value_type=ValueType.STRING,
    description="An item for sale.",
)

ENTITIES = (USER, CONNECTOR, POST, AUTHOR, PLACE, EVENT, MARKETPLACE_ITEM, MODEL_VERSION_ENTITY)
ENTITY_BY_KEY = {entity.join_key: entity for entity in ENTITIES}
