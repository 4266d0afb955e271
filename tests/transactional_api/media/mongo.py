"""A server of MongoDB's wire protocol for tests: mongo-java-server, from Maven Central, with its data in memory.

No registry of packages has MongoDB itself. ``MONGO_URL`` names a real server to use in its place.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_stack.servers.java import JarSet, java, resolve_jars
from tests.processes import stop_process

MONGO_JARS = JarSet(
    title="mongo-java-server",
    folder="mongo-java-server-1.46.0",
    artifacts=(
        ("de.bwaldvogel", "mongo-java-server", "1.46.0"),
        ("org.apache-extras.beanshell", "bsh", "2.0b6"),  # runs the script below without a compiler
    ),
)
# The server reports MongoDB 4.0 unless another version is set, and PyMongo refuses what is older than 4.4.
SCRIPT = """
version = new de.bwaldvogel.mongo.MongoVersion() {
  getVersionArray() { return java.util.Arrays.asList(new Integer[] {4, 4, 0}); }
  getWireVersion() { return 9; }
  toVersionString() { return "4.4.0"; }
};
backend = new de.bwaldvogel.mongo.backend.memory.MemoryBackend();
backend.version(version);
print(new de.bwaldvogel.mongo.MongoServer(backend).bind().getPort());
"""


@contextmanager
def running_mongo(folder: Path) -> Iterator[str]:
    """Run a server on a free port and yield its URL; ``folder`` takes its script and its log."""
    if url := os.environ.get("MONGO_URL"):
        yield url
        return
    script = folder / "server.bsh"
    script.write_text(SCRIPT)
    command = [str(java()), "-Xmx64m", "-cp", f"{resolve_jars(MONGO_JARS)}/*", "bsh.Interpreter", str(script)]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline().decode().strip()
            assert port.isdecimal(), (folder / "log").read_text()
            yield f"mongodb://127.0.0.1:{port}"
        finally:
            stop_process(server)
