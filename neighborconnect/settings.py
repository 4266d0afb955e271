"""Settings of the platform, by environment variable.

Values come from the environment, then from ``$NEIGHBORCONNECT_HOME/stack.env``, which the embedded stack writes with
mode 0600. Only ``local_stack`` may read the profile; all other code uses URLs.

In the external profile a process needs only the settings that it reads, so that no container has the secrets of
another: reading an unset one raises ``SettingsError``.
"""

from __future__ import annotations

import os
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, IPvAnyNetwork, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

ENV_FILE_NAME = "stack.env"
DEMO_LOGINS_FILE_NAME = "demo-logins.json"
"""Logins of the sample community in the home, which only ``neighborconnect up`` writes and the web app offers."""


class LinkPreviews(StrEnum):
    """Pages that previews of links are fetched from."""

    OFF = "off"
    PUBLIC = "public"
    LOCAL = "local"


class SettingsError(RuntimeError):
    """A setting is missing or invalid; the message contains the remedy."""


def home() -> Path:
    """Return the data folder: ``NEIGHBORCONNECT_HOME``, else ``.neighborconnect`` in the working folder."""
    return Path(os.environ.get("NEIGHBORCONNECT_HOME") or ".neighborconnect").absolute()


def _web_app_build() -> Path:
    return Path(__file__).parents[1] / "clients" / "web" / "dist"


def listen_address(value: str) -> tuple[str, int]:
    """Return host and port of a ``host:port`` setting (``[::]:8000`` for IPv6).

    Raises:
        ValueError: the value has another form.
    """
    parts = urlsplit(f"//{value}")
    if not parts.hostname or not parts.port or parts.netloc != value or "@" in value:
        raise ValueError("use host:port, such as 127.0.0.1:8000 or 0.0.0.0:8000")
    return parts.hostname, parts.port


def _checked_address(value: str) -> str:
    listen_address(value)
    return value


ListenAddress = Annotated[str, AfterValidator(_checked_address)]
"""Address on which a process listens, as ``host:port``; clients reach it at its URL."""


ANY_PORT = ":*"


def _checked_origin(value: str) -> str:
    parts = urlsplit(value.removesuffix(ANY_PORT))
    port = parts.netloc.rpartition(":")[2] if parts.netloc.rpartition("]")[2].count(":") else ""
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in value or (port and not port.isdecimal()):
        raise ValueError("use an origin such as https://app.example.org or http://localhost:*")
    if parts.geturl() != f"{parts.scheme}://{parts.netloc}":
        raise ValueError("use an origin without a path: https://app.example.org")
    return value.lower()


Origin = Annotated[str, AfterValidator(_checked_origin)]
"""Origin of a web page, as browsers send it: scheme, host and port, without a path or trailing slash."""


class OAuthProvider(BaseModel):
    """OpenID Connect provider with which people may log in."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,50}$")
    issuer: str
    client_id: str
    client_secret: SecretStr


class Settings(BaseSettings):
    """Settings of every process. A field's name is the environment variable in lower case.

    The docstring under each field is its entry in the settings reference (`tools/reference/settings.py`).
    """

    model_config = SettingsConfigDict(extra="ignore", case_sensitive=False)

    # Profile and data folder
    neighborconnect_profile: Literal["embedded", "external"] = "embedded"
    """`embedded` starts the servers on this machine; `external` takes every URL from the environment."""
    neighborconnect_home: Path = Field(default_factory=home)
    """Data folder: `.neighborconnect` in the working folder unless set."""
    neighborconnect_port_offset: int = Field(default=0, ge=0, le=9_000)
    """Number added to every port of an embedded stack."""
    neighborconnect_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level of log lines that are written."""
    neighborconnect_log_format: Literal["json", "console"] = "json"
    """Format of log lines."""

    # Tracing
    otel_exporter_otlp_endpoint: str | None = None
    """URL of an OpenTelemetry collector (OTLP over HTTP, such as `http://collector:4318`) that receives the spans."""
    traces_folder: Path | None = None
    """Folder that stores the spans of the last hours where there is no collector. Without both, none are recorded."""
    otel_traces_sampler: Literal[
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ] = "parentbased_traceidratio"
    """Sampler of traces. Those named `parentbased_…` follow the sampled flag of a caller's `traceparent`."""
    otel_traces_sampler_arg: float = Field(default=0.05, ge=0, le=1)
    """Share of traces that the samplers `…traceidratio` record."""

    # PostgreSQL
    database_url: str = Field(repr=False)
    """Product database, as `postgresql://user:password@host:port/name`."""
    warehouse_url: str = Field(repr=False)
    """Warehouse database."""
    warehouse_analyst_url: str | None = Field(default=None, repr=False)
    """Warehouse for people and notebooks: the role `analyst` reads `marts` and `staging` without personal columns."""
    warehouse_privacy_officer_url: str | None = Field(default=None, repr=False)
    """Warehouse for people who may read personal columns: the read-only role `privacy_officer`."""
    feast_analyst_url: str | None = Field(default=None, repr=False)
    """History of the features for people and notebooks: the read-only role `analyst`."""
    mlflow_database_url: str = Field(repr=False)
    """MLflow's database."""
    dagster_database_url: str = Field(repr=False)
    """Dagster's database."""
    feast_database_url: str = Field(repr=False)
    """Feast's registry and offline store."""

    # Redis
    redis_url: str = Field(repr=False)
    """Redis of the API: sessions, rate limits, presence, caches and pub/sub."""
    feast_redis_url: str = Field(repr=False)
    """Redis of Feast's online store."""

    # Kafka
    kafka_bootstrap_servers: str
    """Brokers that clients connect to first, as `host:port`, separated by commas."""
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Security protocol of Kafka clients."""
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """SASL mechanism of Kafka clients."""
    kafka_username: str = ""
    """Kafka principal of this process. Each process has rights of its own."""
    kafka_password: SecretStr = SecretStr("")
    """Password of the Kafka principal."""

    # Object store
    s3_endpoint_url: str
    """URL of the S3 API."""
    s3_region: str = "us-east-1"
    """Region that requests to the S3 API are signed for."""
    s3_access_key: str = Field(repr=False)
    """Access key of the S3 API."""
    s3_secret_key: SecretStr
    """Secret key of the S3 API."""
    s3_media_bucket: str = "media"
    """Bucket of uploads and their renditions."""
    s3_lake_bucket: str = "lake"
    """Bucket of the lake's Delta tables."""
    s3_mlflow_bucket: str = "mlflow"
    """Bucket of MLflow's artifacts."""
    s3_audit_bucket: str = "audit"
    """Bucket of the published heads of the audit chain. In production, use object lock or write-only credentials."""

    # Media
    mongo_url: str | None = Field(default=None, repr=False)
    """MongoDB for media documents. PostgreSQL (JSONB) stores them where it is not set."""
    document_store: Literal["postgresql", "mongodb"] = "postgresql"
    """Store of media documents, for the processes that do not read ``MONGO_URL``."""
    media_quota_mib: int = Field(default=1_024, ge=1)
    """Storage that one user may occupy, in MiB."""
    media_analysis_hold_minutes: int = Field(default=15, ge=0)
    """Longest time, in minutes, that an upload stays hidden from other users while no model has analyzed it."""
    cdn_base_url: str | None = None
    """CDN that media links lead to. Links lead to the bucket where it is not set."""
    cdn_secret: SecretStr | None = None
    """Secret that signs CDN links."""

    # URLs of the platform's services
    api_url: str = "http://127.0.0.1:8000"
    """URL at which other processes reach the API."""
    mlflow_tracking_uri: str
    """URL of MLflow."""
    dagster_url: str = "http://127.0.0.1:3000"
    """URL of Dagster's web server."""
    recommendation_url: str = "http://127.0.0.1:5001"
    """URL of the recommendation service."""
    recommendation_deadline_ms: int = Field(default=150, ge=1)
    """Deadline of a request to the recommendation service, in milliseconds. The fallback answers after it."""
    content_url: str | None = None
    """URL of the text service. Rules answer where it is not set."""
    matching_url: str | None = None
    """URL of the matching service. Rules answer where it is not set."""
    image_url: str | None = None
    """URL of the image service. Endpoints report `no_model` where it is not set."""
    monitoring_url: str = "http://127.0.0.1:5006"
    """URL of the metrics exporter of workers, stores and pipelines."""
    video_url: str | None = None
    """URL of the video service. Endpoints report `no_model` where it is not set."""
    inference_deadline_ms: int = Field(default=1_000, ge=1)
    """Deadline of a request to the text and matching services, in milliseconds."""
    image_deadline_ms: int = Field(default=10_000, ge=1)
    """Deadline of a request to the image service, in milliseconds."""
    video_deadline_ms: int = Field(default=300_000, ge=1)
    """Deadline of a request to the video service, in milliseconds."""
    link_previews: LinkPreviews = LinkPreviews.PUBLIC
    """Previews of links in posts: `off`, `public` for pages with public addresses, or `local` for pages of
    this machine as well, which is for development."""
    link_previews_in_messages: bool = False
    """Whether messages have previews, too. A fetch uses up a link that works once, and informs the site of the link."""
    alert_webhook_url: SecretStr | None = None
    """Webhook (Slack, Mattermost or your own) that receives the alerts of the pipelines as JSON."""
    dagster_run_id: str | None = None
    """Dagster run that this process works for. The pipelines set it, and MLflow runs record it."""

    # Web app
    web_app_folder: Path = Field(default_factory=_web_app_build)
    """Build of the web app that the API serves at `/app`: `clients/web/dist` of the repository unless set."""

    # Listen addresses
    api_listen: ListenAddress = "127.0.0.1:8000"
    """Address on which the API listens. In a container: `0.0.0.0` and the port of its URL."""
    api_workers: int = Field(default=1, ge=1, le=64)
    """Worker processes of the API at its address. Each serves about one core and has connection pools of its own."""
    mlflow_listen: ListenAddress = "127.0.0.1:5000"
    """Address on which MLflow listens."""
    dagster_listen: ListenAddress = "127.0.0.1:3000"
    """Address on which Dagster's web server listens."""
    recommendation_listen: ListenAddress = "127.0.0.1:5001"
    """Address on which the recommendation service listens."""
    content_listen: ListenAddress = "127.0.0.1:5002"
    """Address on which the text service listens."""
    matching_listen: ListenAddress = "127.0.0.1:5003"
    """Address on which the matching service listens."""
    image_listen: ListenAddress = "127.0.0.1:5004"
    """Address on which the image service listens."""
    video_listen: ListenAddress = "127.0.0.1:5005"
    """Address on which the video service listens."""
    monitoring_listen: ListenAddress = "127.0.0.1:5006"
    """Address on which the metrics exporter listens."""

    # Rate limits
    rate_limit_reads: str = "600/minute"
    """Reads that one user may make on one endpoint."""
    rate_limit_writes: str = "120/minute"
    """Writes that one user may make on one endpoint."""
    rate_limit_failures: str = "60/15 minutes;500/day"
    """Wrong passwords and tokens accepted from one network (an IPv4 address or an IPv6 /64)."""
    rate_limit_registrations: str = "10/hour;40/day"
    """Registrations accepted from one network."""
    rate_limit_letters: str = "20/hour;100/day"
    """E-mails that one network may request."""
    trusted_proxies: list[IPvAnyNetwork] = []
    """Reverse proxies whose `X-Forwarded-For` is trusted (a JSON list of addresses or networks).

    Clients behind an unnamed proxy share the proxy's address and its rate limits.
    """
    cors_allow_origins: list[Origin] = []
    """Origins whose web pages may call the API (a JSON list). `http://localhost:*` matches any port."""

    # E-mail
    smtp_url: str | None = Field(default=None, repr=False)
    """Mail server, as `smtp://user:password@host:587` or `smtps://…`.

    Without it, e-mails are written to `mail/` of the data folder; `neighborconnect mail` lists them.
    """
    mail_from: str = "NeighborConnect <hello@neighborconnect.example>"
    """Sender of e-mails."""
    public_url: str = "http://localhost:8000"
    """URL at which users reach the front end. Links in e-mails lead there."""
    public_api_url: str | None = None
    """URL at which mail programs reach the API (unsubscribe links). `PUBLIC_URL` where it is not set."""

    # Push notifications
    vapid_private_key: SecretStr | None = None
    """VAPID key of browser push. Browsers get no push notifications where it is not set."""
    vapid_contact: str = "mailto:hello@neighborconnect.example"
    """Contact that VAPID requests name."""
    push_services: list[str] = [
        "https://fcm.googleapis.com",
        "https://updates.push.services.mozilla.com",
        "https://web.push.apple.com",
        "https://*.notify.windows.com",
    ]
    """Push services that a browser subscription may name (a JSON list of patterns)."""
    expo_push_url: str = "https://exp.host/--/api/v2/push/send"
    """Push API for phones (Expo)."""

    # Tokens
    jwt_secret: SecretStr
    """Secret from which the signing key of access tokens is derived."""
    jwt_former_secrets: SecretStr | None = None
    """Former values of `JWT_SECRET`, separated by commas. Tokens signed with them stay valid until they expire."""
    access_token_minutes: int = Field(default=15, ge=1)
    """Lifetime of an access token, in minutes."""
    refresh_token_days: int = Field(default=30, ge=1)
    """Lifetime of a refresh token, in days."""
    refresh_grace_seconds: int = Field(default=10, ge=0, le=60)
    """Time, in seconds, in which a repeated exchange of a refresh token returns the same successor."""

    # Keys and credentials
    personal_data_keys: SecretStr
    """Keys that encrypt personal columns, separated by commas. The first encrypts; the others only decrypt."""
    audit_key: SecretStr
    """Key that signs the published heads of the audit chain. Do not store it in the database, and do not change it."""
    receipt_keys: SecretStr
    """Keys that sign receipts of erasures, separated by commas. The first signs; the others only verify."""
    platform_token: SecretStr
    """Token with which processes of the platform authenticate to each other; also needed to read `/metrics`."""
    mlflow_tracking_token: SecretStr
    """Token with which training writes to MLflow."""
    operator_password: SecretStr
    """Password of the user `operator` for Dagster and MLflow."""
    operator_hosts: list[str] = []
    """Additional host names at which Dagster and MLflow are opened (a JSON list)."""
    oauth_providers: list[OAuthProvider] = []
    """OpenID Connect providers that users may log in with (a JSON list)."""

    if not TYPE_CHECKING:  # otherwise mypy accepts every unknown attribute

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                raise SettingsError(
                    f"{name.upper()} is not set, and this process needs it; set it in the environment of the process."
                )
            return super().__getattr__(name)

    @property
    def may_call_this_machine(self) -> bool:
        """Whether requests to addresses that users name may go to this machine: in the embedded profile only."""
        return self.neighborconnect_profile == "embedded"

    @property
    def lake_storage_options(self) -> dict[str, str]:
        """Storage options of ``deltalake`` and Polars for ``s3://`` paths of the lake."""
        return {
            "AWS_ENDPOINT_URL": self.s3_endpoint_url,
            "AWS_REGION": self.s3_region,
            "AWS_ACCESS_KEY_ID": self.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": self.s3_secret_key.get_secret_value(),
            "AWS_ALLOW_HTTP": "true" if self.s3_endpoint_url.startswith("http://") else "false",
            "aws_conditional_put": "etag",
        }

    def lake_path(self, *parts: str) -> str:
        """Return the ``s3://`` URL of a table or file in the lake."""
        return "s3://" + "/".join((self.s3_lake_bucket, *parts))


def sqlalchemy_url(url: str) -> str:
    """Return a plain ``postgresql://`` URL with psycopg 3 as SQLAlchemy's driver."""
    return "postgresql+psycopg://" + url.removeprefix("postgresql://")


def read_settings(env_file: Path | None) -> Settings:
    """Read the settings; in the external profile, missing required settings stay unset.

    Raises:
        ValidationError: a setting is invalid or, in the embedded profile, missing.
    """
    try:
        return Settings(_env_file=env_file)
    except ValidationError as error:
        missing = [str(problem["loc"][0]) for problem in error.errors() if problem["type"] == "missing"]
        if os.environ.get("NEIGHBORCONNECT_PROFILE") != "external" or len(missing) < error.error_count():
            raise
    settings = Settings(_env_file=env_file, **dict.fromkeys(missing, "unset"))  # type: ignore[arg-type]
    for name in missing:
        del settings.__dict__[name]
    return settings


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process, read once.

    Raises:
        SettingsError: a required setting is missing or invalid.
    """
    try:
        return read_settings(home() / ENV_FILE_NAME)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(str(part) for part in e['loc']).upper()}: {e['msg']}" for e in error.errors())
        raise SettingsError(
            f"The settings are incomplete or invalid ({wrong}). Run `make up` to start the embedded servers, "
            "or set these variables to the URLs of your own."
        ) from None
