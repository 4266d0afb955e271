"""The one door to Feast: the names this platform uses of it, imported without PyTorch and without typeguard's checks.

``import feast`` imports PyTorch where it is installed, only to offer tensors as an output format. That costs
every process half a gigabyte and seconds of start-up for something nobody here asks of it. Feast handles a
failed import of torch, so it is hidden while Feast loads; who needs torch can still import it afterwards.

Feast's classes are ``typechecked``: typeguard reads and compiles their source again at every import, which is more
than half of what the import takes. What we pass to them, mypy has checked.
"""

from __future__ import annotations

import sys

import typeguard

_HIDDEN = "torch"
_hide = _HIDDEN not in sys.modules
if _hide:
    sys.modules[_HIDDEN] = None  # type: ignore[assignment]
_typechecked = typeguard.typechecked
typeguard.typechecked = lambda target: target  # type: ignore[assignment]
try:
    from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, PushSource, RepoConfig, ValueType
    from feast.data_source import PushMode
    from feast.errors import FeastError
    from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
    from feast.types import Array, Float32, Int64, String
finally:
    typeguard.typechecked = _typechecked
    if _hide:
        del sys.modules[_HIDDEN]

__all__ = [
    "Array",
    "Entity",
    "FeastError",
    "FeatureService",
    "FeatureStore",
    "FeatureView",
    "Field",
    "Float32",
    "Int64",
    "PostgreSQLSource",
    "PushMode",
    "PushSource",
    "RepoConfig",
    "String",
    "ValueType",
]
