"""MLflow server behind the platform's credentials: ``python -m models.tracking_server`` on ``MLFLOW_LISTEN``.

Training authenticates with ``MLFLOW_TRACKING_TOKEN``, readers with ``PLATFORM_TOKEN``, and operators with
``OPERATOR_PASSWORD``. It is one process; ``mlflow server`` would run a second one as its supervisor.
"""

from __future__ import annotations

import os
import uuid

import uvicorn

from neighborconnect.memory import tune_gc
from neighborconnect.service_auth import RefuseCrossSiteRequests, RequireCredentials, hosts_of
from neighborconnect.settings import Settings, get_settings, listen_address

_PROBES = ("/health", "/version")
_SEARCHES = ("/api/2.0/mlflow/runs/search",)
_GRACE_SECONDS = 4


def server_environment(settings: Settings) -> dict[str, str]:
    """Return the environment that ``mlflow server`` would set for its application, and boto3's."""
    hosts = sorted(hosts_of(settings.mlflow_tracking_uri, more=settings.operator_hosts))
    return {
        "_MLFLOW_SERVER_FILE_STORE": settings.mlflow_database_url,
        "_MLFLOW_SERVER_REGISTRY_STORE": settings.mlflow_database_url,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": f"s3://{settings.s3_mlflow_bucket}",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "_MLFLOW_SERVER_BOOT_ID": uuid.uuid4().hex,
        "_MLFLOW_IN_JOB_EXECUTOR": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # Our middleware requires the same origin, which is stricter; MLflow must accept those origins as well.
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(f"{_pattern(host)},{_pattern(host)}:*" for host in hosts),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(f"http*://{_pattern(host)}*" for host in hosts),
        "MLFLOW_S3_ENDPOINT_URL": settings.s3_endpoint_url,
        "AWS_ACCESS_KEY_ID": settings.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": settings.s3_secret_key.get_secret_value(),
        "AWS_DEFAULT_REGION": settings.s3_region,
    }


def _pattern(host: str) -> str:
    # MLflow matches with fnmatch, where a bracket is special.
    return f"[[]{host}]" if ":" in host else host


def main() -> None:
    """Serve until SIGTERM."""
    settings = get_settings()
    os.environ.update(server_environment(settings))
    from mlflow.server.fastapi_app import app  # noqa: PLC0415 (reads the environment at import)
    from mlflow.server.handlers import initialize_backend_stores  # noqa: PLC0415

    database = settings.mlflow_database_url
    initialize_backend_stores(database, database, "mlflow-artifacts:/")
    authenticated = RequireCredentials(
        app,
        tokens=[settings.mlflow_tracking_token],
        read_tokens=[settings.platform_token],
        read_posts=_SEARCHES,
        password=settings.operator_password,
        open_paths=_PROBES,
    )
    host, port = listen_address(settings.mlflow_listen)
    tune_gc()
    uvicorn.run(
        RefuseCrossSiteRequests(
            authenticated, hosts=hosts_of(settings.mlflow_tracking_uri, more=settings.operator_hosts)
        ),
        host=host,
        port=port,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


if __name__ == "__main__":
    main()
