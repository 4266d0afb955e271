"""The champion sensor reloads a model service exactly when one of its champion aliases moves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import dagster as dg
import pytest

from models import registry
from models.registry import RegisteredVersion, RegistryError
from neighborconnect.contracts.models import CONTENT_MODEL, VISION_MODEL
from neighborconnect.settings import Settings
from pipelines.training.sensors import champion_sensor


@dataclass
class Service:
    """A model service that counts its reloads and may fail."""

    url: str = ""
    reloads: list[str] = field(default_factory=list)
    status: int = 200


@pytest.fixture
def service() -> Iterator[Service]:
    state = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            state.reloads.append(self.headers["Authorization"])
            body = json.dumps({"version": len(state.reloads)}).encode()
            self.send_response(state.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def champions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Run ids of the champions by name of the registered model, as the registry returns them."""
    run_ids: dict[str, str] = {}

    def read_champion(_settings: Settings, name: str) -> RegisteredVersion | None:
        return RegisteredVersion(name, "1", run_ids[name]) if name in run_ids else None

    monkeypatch.setattr(registry, "read_champion", read_champion)
    return run_ids


def evaluate(settings: Settings, service: Service, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    urls = dict.fromkeys(("recommendation_url", "matching_url", "image_url", "video_url"))
    own = settings.model_copy(update={**urls, "content_url": service.url})
    result = champion_sensor(dg.build_sensor_context(resources={"settings": own}, cursor=cursor))
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


class TestChampionSensor:
    @pytest.mark.usefixtures("champions")
    def test_skips_without_champions(self, settings: Settings, service: Service) -> None:
        assert isinstance(evaluate(settings, service), dg.SkipReason)
        assert service.reloads == []

    def test_reloads_once_per_moved_alias(
        self, settings: Settings, service: Service, champions: dict[str, str]
    ) -> None:
        champions[CONTENT_MODEL] = "a" * 32
        first = evaluate(settings, service)
        assert isinstance(first, dg.SensorResult)
        [event] = first.asset_events
        assert event.asset_key == dg.AssetKey(["bento", "content"])
        assert service.reloads == [f"Bearer {settings.platform_token.get_secret_value()}"]

        assert isinstance(evaluate(settings, service, first.cursor), dg.SkipReason)
        assert len(service.reloads) == 1

        champions[CONTENT_MODEL] = "b" * 32
        assert isinstance(evaluate(settings, service, first.cursor), dg.SensorResult)
        assert len(service.reloads) == 2

    def test_a_failed_reload_is_retried_at_the_next_evaluation(
        self, settings: Settings, service: Service, champions: dict[str, str]
    ) -> None:
        champions[CONTENT_MODEL] = "a" * 32
        service.status = 503
        failed = evaluate(settings, service)
        assert isinstance(failed, dg.SkipReason)
        assert "content" in (failed.skip_message or "")

        service.status = 200
        assert isinstance(evaluate(settings, service), dg.SensorResult)

    def test_a_service_without_an_address_does_not_stop_the_others(
        self, settings: Settings, service: Service, champions: dict[str, str]
    ) -> None:
        champions |= {VISION_MODEL: "c" * 32, CONTENT_MODEL: "a" * 32}

        result = evaluate(settings, service)

        assert isinstance(result, dg.SensorResult)
        assert set(json.loads(result.cursor or "{}")) == {"content"}

    def test_skips_with_the_error_of_the_registry(
        self, settings: Settings, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_settings: Settings, _name: str) -> RegisteredVersion | None:
            raise RegistryError("MLflow is down")

        monkeypatch.setattr(registry, "read_champion", fail)

        result = evaluate(settings, service)

        assert isinstance(result, dg.SkipReason)
        assert "MLflow is down" in (result.skip_message or "")
