"""Resources of the code location."""

from __future__ import annotations

import dagster as dg
from dagster_dbt import DbtCliResource

from neighborconnect.settings import Settings, get_settings
from pipelines.run_control import end_with_code_server
from pipelines.warehouse.dbt import EXECUTABLE, PROJECT_DIR


@dg.resource(description="Settings of the stores and services; read when a run starts, so that loading needs none.")
def settings_resource(context: dg.InitResourceContext) -> Settings:
    """Return the settings of the process, with the id of the current run."""
    end_with_code_server()
    run = context.run_id if context.dagster_run is not None else None
    return get_settings().model_copy(update={"dagster_run_id": run})


def resources() -> dict[str, object]:
    """Return the resources of the code location by name."""
    return {
        "settings": settings_resource,
        "dbt": DbtCliResource(
            project_dir=str(PROJECT_DIR), profiles_dir=str(PROJECT_DIR), dbt_executable=str(EXECUTABLE)
        ),
    }
