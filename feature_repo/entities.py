"""Who features are about. Keys are the rows' uuids as lower-case text."""

from __future__ import annotations

from feature_repo.feast_import import Entity, ValueType
from feature_repo.schemas import CONNECTOR_ID, MODEL_VERSION, POST_ID, USER_ID

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

ENTITIES = (USER, CONNECTOR, POST, MODEL_VERSION_ENTITY)
ENTITY_BY_KEY = {entity.join_key: entity for entity in ENTITIES}
