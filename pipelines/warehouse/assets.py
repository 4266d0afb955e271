"""The dbt models as assets, with their tests as checks."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets

from neighborconnect.settings import Settings, get_settings
from pipelines.asset_keys import HOURLY
from pipelines.empty_input import require_mirrors
from pipelines.warehouse import dbt as project

SNAPSHOTS = "snapshots"
"""Group of the snapshots of slowly changing dimensions."""


class Translator(DagsterDbtTranslator):
    """Translator that groups models by folder and sets owners and the freshness policy of the marts."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the folder of the model below ``models``; ``snapshots`` for a snapshot."""
        if dbt_resource_props["resource_type"] == "snapshot":
            return SNAPSHOTS
        return str(dbt_resource_props["fqn"][1])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str] | None:
        """Return the team that the model's ``meta`` names as its owner."""
        owner = dbt_resource_props["config"].get("meta", {}).get("owner")
        return [f"team:{owner.lower()}"] if owner else None

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """Return the asset spec of a model."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        return spec.replace_attributes(freshness_policy=HOURLY) if spec.group_name == "marts" else spec


def build_assets() -> dg.AssetsDefinition:
    """Return the assets of the manifest, which is parsed again if the project is newer."""

    @dbt_assets(
        manifest=project.ensure_manifest(get_settings()),
        project=DbtProject(project.PROJECT_DIR, target_path=project.target_dir()),
        dagster_dbt_translator=Translator(),
        name="warehouse",
    )
    def warehouse(
        context: dg.AssetExecutionContext, dbt: DbtCliResource, settings: dg.ResourceParam[Settings]
    ) -> Iterator[Any]:
        """Build and test the warehouse once, regardless of the partitions of the run."""
        require_mirrors(settings)
        os.environ.update(project.environment(settings))
        yield from dbt.cli(["build", "--exclude-resource-type", "unit_test"], context=context).stream()

    return warehouse
