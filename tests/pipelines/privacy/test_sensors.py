"""The sensor of data exports requests a run while an export is incomplete."""

from __future__ import annotations

import dagster as dg
import httpx
import pytest

from neighborconnect.settings import Settings
from pipelines.privacy import data_exports, jobs
from pipelines.privacy.data_exports import IncompleteExport
from pipelines.privacy.sensors import data_exports_sensor

EXPORT = IncompleteExport("c1", "u1", "http://objects.example.org/part")


def evaluate(instance: dg.DagsterInstance, settings: Settings) -> dg.RunRequest | dg.SkipReason:
    result = data_exports_sensor(dg.build_sensor_context(instance=instance, resources={"settings": settings}))
    assert isinstance(result, dg.RunRequest | dg.SkipReason)
    return result


class TestDataExportsSensor:
    def test_requests_one_run_while_an_export_is_incomplete(
        self, instance: dg.DagsterInstance, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        incomplete: list[IncompleteExport] = []
        monkeypatch.setattr(data_exports, "read_incomplete_exports", lambda _settings: incomplete)
        assert isinstance(evaluate(instance, settings), dg.SkipReason)

        incomplete.append(EXPORT)
        assert isinstance(evaluate(instance, settings), dg.RunRequest)

        instance.create_run_for_job(jobs.complete_data_exports, status=dg.DagsterRunStatus.STARTED)
        assert isinstance(evaluate(instance, settings), dg.SkipReason)

    def test_skips_with_the_error_of_an_unreachable_api(
        self, instance: dg.DagsterInstance, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_settings: Settings) -> list[IncompleteExport]:
            raise httpx.ConnectError("refused")

        monkeypatch.setattr(data_exports, "read_incomplete_exports", fail)

        result = evaluate(instance, settings)

        assert isinstance(result, dg.SkipReason)
        assert "refused" in (result.skip_message or "")
