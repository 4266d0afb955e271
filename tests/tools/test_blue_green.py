"""Blue-green deployment: programs of the cluster are doubles that record their calls; HTTP is real."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.chart import objects
from tools.blue_green import EXPECTATIONS, Deployment, DeploymentError, deploy, main, smoke_test

ROOT = Path(__file__).parents[2]
HEALTHY: dict[str, tuple[int, Any]] = {
    "/readyz": (200, {"status": "ready"}),
    "/openapi.json": (200, {"info": {"title": "NeighborConnect API"}}),
    "/api/v1/users/profile": (401, {"code": "not_signed_in"}),
}


@contextmanager
def served(responses: dict[str, tuple[int, object]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = responses.get(self.path, (404, {}))
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class RecordedDeployment(Deployment):
    """Records the commands, and reaches the preview at an address of the test."""

    preview: str = ""
    active: str = "blue"
    strategy: str = "blueGreen"
    failing: str = "no command has this"
    commands: list[tuple[str, ...]] = field(default_factory=list)

    def _run(self, *command: str) -> str:
        self.commands.append(command)
        if any(self.failing in part for part in command):
            raise DeploymentError(f"{self.failing} failed")
        if command[1] == "status":
            return json.dumps({"version": 7, "info": {"status": "deployed"}})
        rollout = {"strategy": self.strategy, "blueGreen": {"active": self.active}}
        return json.dumps({"components": {"api": {"rollout": rollout}}})

    @contextmanager
    def forwarded_preview(self) -> Iterator[str]:
        yield self.preview

    @property
    def steps(self) -> list[str]:
        return [" ".join(part for part in one if "=" in part) or one[1] for one in self.commands]


def deployment(**values: str) -> RecordedDeployment:
    return RecordedDeployment("nc", "town", "nc-neighborconnect-api", **values)


def run(one: RecordedDeployment, public_url: str) -> None:
    deploy(one, tag="0.2.0", public_url=public_url, attempts=1, pause=0)


class TestSmokeTest:
    @pytest.mark.parametrize(
        ("path", "response", "failure"),
        [
            ("/readyz", (503, {}), "503 instead of 200"),
            ("/openapi.json", (200, {"info": {"title": "Another"}}), "another description"),
            ("/openapi.json", (200, []), "TypeError"),
            ("/api/v1/users/profile", (200, {}), "200 instead of 401"),
            ("/api/v1/users/profile", (401, {}), "KeyError"),
        ],
    )
    def test_each_failure_is_named(self, path: str, response: tuple[int, object], failure: str) -> None:
        with served(HEALTHY | {path: response}) as url, pytest.raises(DeploymentError, match=failure) as raised:
            smoke_test(url, attempts=2, pause=0)
        assert str(raised.value).count(path) == 1

    def test_a_healthy_api_passes(self) -> None:
        with served(HEALTHY) as url:
            smoke_test(url, attempts=1)

    def test_an_address_without_a_server_fails(self) -> None:
        with served(HEALTHY) as url:
            pass
        with pytest.raises(DeploymentError, match="/readyz: "):
            smoke_test(url, attempts=1)

    def test_its_paths_are_routes_of_the_api(self) -> None:
        described = json.loads((ROOT / "transactional_api" / "openapi.json").read_text(encoding="utf-8"))
        routes = {*described["paths"], "/openapi.json"}
        assert [one.path for one in EXPECTATIONS if one.path not in routes] == []
        assert described["info"]["title"] == HEALTHY["/openapi.json"][1]["info"]["title"]


class TestDeployment:
    @pytest.mark.parametrize(("active", "other"), [("blue", "green"), ("green", "blue")])
    def test_the_other_color_is_tested_and_activated(self, active: str, other: str) -> None:
        with served(HEALTHY) as url:
            one = deployment(preview=url, active=active)
            run(one, url)
        colors = "components.api.rollout.blueGreen"
        assert one.steps == ["status", "get", f"image.tag=0.2.0 {colors}.{other}Tag=0.2.0", f"{colors}.active={other}"]

    def test_users_stay_where_the_preview_fails(self) -> None:
        with served(HEALTHY) as public, served(HEALTHY | {"/readyz": (503, {})}) as preview:
            one = deployment(preview=preview)
            with pytest.raises(DeploymentError, match="at revision 7 again"):
                run(one, public)
        assert one.steps[-1] == "rollback"
        assert one.commands[-1][3] == "7"
        assert not any("active=" in step for step in one.steps)

    def test_a_failure_after_the_switch_rolls_back(self) -> None:
        with served(HEALTHY) as preview, served(HEALTHY | {"/readyz": (503, {})}) as public:
            one = deployment(preview=preview)
            with pytest.raises(DeploymentError, match="at revision 7 again"):
                run(one, public)
        assert one.steps[-2].endswith("active=green")
        assert one.steps[-1] == "rollback"

    def test_a_failed_upgrade_rolls_back(self) -> None:
        one = deployment(failing="image.tag")
        with pytest.raises(DeploymentError, match="at revision 7 again"):
            run(one, "http://127.0.0.1:1")
        assert one.steps[-1] == "rollback"

    def test_another_strategy_is_refused_unchanged(self) -> None:
        one = deployment(strategy="rolling")
        with pytest.raises(DeploymentError, match="is not blueGreen"):
            run(one, "http://127.0.0.1:1")
        assert one.steps == ["status", "get"]

    def test_the_chart_renders_with_its_values(self) -> None:
        colors = "components.api.rollout.blueGreen"
        settings = ("components.api.rollout.strategy=blueGreen", "image.tag=0.2.0", f"{colors}.greenTag=0.2.0")
        arguments = [part for setting in settings for part in ("--set-string", setting)]
        services = {one["metadata"]["name"] for one in objects("default", *arguments) if one["kind"] == "Service"}
        assert {"nc-neighborconnect-api", "nc-neighborconnect-api-preview"} <= services

    @pytest.mark.parametrize(
        ("tag", "url"), [("0.2.0 --set x=y", "https://api.example.org"), ("0.2.0", "file:///etc/passwd")]
    )
    def test_wrong_arguments_are_refused(self, tag: str, url: str) -> None:
        arguments = ["--release", "nc", "--namespace", "town", "--tag", tag, "--public-url", url]
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
