"""Attributes that every asset has: an owner, a link to its code and, if it is materialized here, a freshness policy."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any, Final

import dagster as dg
from dagster._core.definitions.metadata.source_code import CodeReferencesMetadataSet

from pipelines.asset_keys import FEATURE_REGISTRY, KAFKA, LAKE, RAW, WEEKLY

Asset = dg.AssetsDefinition | dg.AssetSpec

DEFAULT_FRESHNESS: Final = WEEKLY
"""Every asset is materialized at least weekly. Assets that run more often override it."""
UNTIMED: Final = frozenset({FEATURE_REGISTRY})
"""Materialized when the code changes, not by time."""
_EXTERNAL_GROUPS: Final = frozenset({KAFKA, LAKE, RAW})
_PLATFORM, _RECOMMENDATION, _TRUST = "team:platform", "team:recommendation", "team:trust"
OWNERS: Final = {
    **dict.fromkeys((KAFKA, LAKE, RAW, "staging", "intermediate", "snapshots", "marts"), _PLATFORM),
    **dict.fromkeys(("features", "recommendation", "matching", "serving", "evaluation"), _RECOMMENDATION),
    **dict.fromkeys(("content", "vision"), _TRUST),
}
"""Owner of the assets of a group that name none themselves."""


def with_defaults(assets: Iterable[Asset], *, code: ModuleType) -> Sequence[Asset]:
    """Add the defaults to assets.

    Args:
        assets: definitions and specs.
        code: module that defines the specs; the code of a definition is derived from its function.
    """

    def complete(spec: dg.AssetSpec) -> dg.AssetSpec:
        group = str(spec.group_name)
        is_timed = group not in _EXTERNAL_GROUPS and spec.key not in UNTIMED
        is_linked = CodeReferencesMetadataSet.extract(spec.metadata).code_references is not None
        return spec.replace_attributes(
            owners=spec.owners or [OWNERS[group]],
            freshness_policy=spec.freshness_policy or (DEFAULT_FRESHNESS if is_timed else None),
            metadata=spec.metadata if is_linked else {**spec.metadata, **metadata},
        )

    with warnings.catch_warnings():
        # Links to code are in beta.
        warnings.simplefilter("ignore", dg.BetaWarning)
        reference = dg.LocalFileCodeReference(file_path=inspect.getfile(code), line_number=1, label=code.__name__)
        metadata = CodeReferencesMetadataSet(
            code_references=dg.CodeReferencesMetadataValue(code_references=[reference])
        )
        linked: list[Any] = list(dg.with_source_code_references(list(assets)))
        return [asset for asset in dg.map_asset_specs(complete, linked) if isinstance(asset, Asset)]
