"""Imports of Feast that need a workaround; import the names from here.

Two effects of ``import feast`` (github.com/feast-dev/feast) are suppressed while it loads:

- It imports PyTorch where that is installed, only to offer tensors as an output format. That costs every process half
  a gigabyte and seconds of start-up. Feast handles an ``ImportError`` of ``torch``, so ``torch`` is hidden from it;
  other modules can import it afterwards. Remove when Feast imports ``torch`` lazily.
- Its classes are decorated with ``typeguard.typechecked``, which re-reads and recompiles their source: more than half
  of the import time. mypy checks our calls instead. Remove when Feast no longer instruments its classes at import.
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
