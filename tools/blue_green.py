"""Blue-green deployment of the chart: install a version next to the active one, test it, switch to it, or roll back.

    python -m tools.blue_green --release nc --namespace town --tag 0.2.0 --public-url https://api.example.org

The other color receives the version and a smoke test before it receives users. After the switch the public address is
tested. Where a step fails, the release returns to the revision before, and the exit code is 1. It needs `helm` and
`kubectl` with credentials of the cluster, and the standard library alone.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, Literal
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

Color = Literal["blue", "green"]
CHART: Final = Path(__file__).resolve().parents[1] / "deploy" / "helm" / "neighborconnect"
OTHER: Final[dict[Color, Color]] = {"blue": "green", "green": "blue"}
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_TIMEOUT: Final = "20m"
_PORT: Final = 8000
_COLORS: Final = "components.api.rollout.blueGreen"
_SECONDS: Final = 5
log = logging.getLogger("blue_green")


class DeploymentError(RuntimeError):
    """A step failed; the message names it and the cause."""


@dataclass(frozen=True)
class Expectation:
    """A request of the smoke test, and its expected response."""

    path: str
    status: int
    check: Callable[[Any], str | None] = lambda _body: None


def _is_the_api(body: Any) -> str | None:
    return None if body["info"]["title"] == "NeighborConnect API" else "another description"


def _is_problem(body: Any) -> str | None:
    return None if isinstance(body["code"], str) else "no error code"


EXPECTATIONS: Final = (
    Expectation("/readyz", HTTPStatus.OK),
    Expectation("/openapi.json", HTTPStatus.OK, _is_the_api),
    Expectation("/api/v1/users/profile", HTTPStatus.UNAUTHORIZED, _is_problem),
)
"""The smoke test: readiness, the description of the API, and a refusal of a request without a login."""


def _failure(url: str, expected: Expectation) -> str | None:
    try:
        with urlopen(Request(url + expected.path), timeout=_SECONDS) as response:  # noqa: S310 (checked by `main`)
            status, text = response.status, response.read()
    except HTTPError as error:
        status, text = error.code, error.read()
    except (OSError, HTTPException) as error:
        return f"{expected.path}: {error}"
    if status != expected.status:
        return f"{expected.path}: {status} instead of {expected.status}"
    try:
        found = expected.check(json.loads(text))
    except (ValueError, LookupError, TypeError) as error:
        found = f"{type(error).__name__}: {error}"
    return found and f"{expected.path}: {found}"


def smoke_test(url: str, *, attempts: int, pause: float = 3.0) -> None:
    """Send the requests of the smoke test until all succeed in one round.

    Raises:
        DeploymentError: the last of ``attempts`` rounds failed; the message has each failure.
    """
    failures: list[str] = []
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause)
        failures = [failure for one in EXPECTATIONS if (failure := _failure(url, one))]
        if not failures:
            return
    raise DeploymentError(f"smoke test of {url} failed: {'; '.join(failures)}")


@dataclass(frozen=True)
class Deployment:
    """A release of the chart in a cluster."""

    release: str
    namespace: str
    service: str

    def _run(self, *command: str) -> str:
        log.info("%s", " ".join(command))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DeploymentError(f"`{' '.join(command[:2])}` failed: {done.stderr.strip()}")
        return done.stdout

    def revision(self) -> int:
        """Return the number of the deployed revision."""
        status = json.loads(self._run("helm", "status", self.release, "-n", self.namespace, "-o", "json"))
        if status["info"]["status"] != "deployed":
            raise DeploymentError(f"the release is in state {status['info']['status']}: repair it first")
        return int(status["version"])

    def active_color(self) -> Color:
        """Return the color that receives users."""
        values = json.loads(
            self._run("helm", "get", "values", self.release, "-n", self.namespace, "--all", "-o", "json")
        )
        rollout = values["components"]["api"]["rollout"]
        if rollout["strategy"] != "blueGreen":
            raise DeploymentError("components.api.rollout.strategy is not blueGreen")
        color: Color = rollout["blueGreen"]["active"]
        return color

    def upgrade(self, values: Mapping[str, str]) -> None:
        """Change values of the release, and wait until every pod is ready."""
        changed = [part for name, value in values.items() for part in ("--set-string", f"{name}={value}")]
        self._run(
            *("helm", "upgrade", self.release, str(CHART), "-n", self.namespace, "--reset-then-reuse-values"),
            *(*changed, "--wait", "--timeout", _TIMEOUT),
        )

    def roll_back(self, revision: int) -> None:
        """Return to a revision; migrations only go forward, and the previous version runs on the new schema."""
        self._run(
            "helm", "rollback", self.release, str(revision), "-n", self.namespace, "--wait", "--timeout", _TIMEOUT
        )

    @contextmanager
    def forwarded_preview(self) -> Iterator[str]:
        """Yield a local URL of the service of the color without users."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        target = f"service/{self.service}-preview"
        command = ("kubectl", "-n", self.namespace, "port-forward", target, f"{port}:{_PORT}")
        forward = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            forward.terminate()
            forward.wait(timeout=_SECONDS)


def deploy(deployment: Deployment, *, tag: str, public_url: str, attempts: int = 20, pause: float = 3.0) -> None:
    """Deploy a version and switch to it.

    Raises:
        DeploymentError: a step failed; the release is at the revision before.
    """
    before, active = deployment.revision(), deployment.active_color()
    new = OTHER[active]
    log.info("revision %d, active color %s: %s receives %s", before, active, new, tag)
    try:
        # Migrates the schema, and replaces the other processes.
        deployment.upgrade({"image.tag": tag, f"{_COLORS}.{new}Tag": tag})
        with deployment.forwarded_preview() as url:
            smoke_test(url, attempts=attempts, pause=pause)
        deployment.upgrade({f"{_COLORS}.active": new})
        smoke_test(public_url, attempts=attempts, pause=pause)
    except (Exception, KeyboardInterrupt) as error:
        log.error("%s", error or "interrupted")  # noqa: TRY400 (the message is the cause)
        deployment.roll_back(before)
        raise DeploymentError(f"{tag} was not deployed; the release is at revision {before} again") from error
    log.info("%s is active with %s; %s has the version before", new, tag, active)


def main(arguments: Sequence[str] | None = None) -> int:
    """Deploy; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", required=True, help="name of the release")
    parser.add_argument("--namespace", required=True, help="namespace of the release")
    parser.add_argument("--service", default="", help="service of the API; RELEASE-neighborconnect-api if not given")
    parser.add_argument("--tag", required=True, help="tag of the image")
    parser.add_argument("--public-url", required=True, help="address of the API for its users")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if not _TAG.fullmatch(given.tag):
        parser.error(f"{given.tag!r} is not a tag of an image")
    if urlsplit(given.public_url).scheme not in {"http", "https"}:
        parser.error("--public-url is an http or https address")
    service = given.service or f"{given.release}-neighborconnect-api"
    try:
        deploy(
            Deployment(given.release, given.namespace, service),
            tag=given.tag,
            public_url=given.public_url.rstrip("/"),
        )
    except DeploymentError as error:
        log.error("error: %s", error)  # noqa: TRY400 (one clear line)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
