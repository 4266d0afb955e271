"""Every setting of the platform, by the environment name that sets it.

Values come from the environment first, then from ``$NEIGHBORCONNECT_HOME/stack.env``, which the embedded
stack writes with mode 0600. Nothing but ``neighborconnect.stack`` may ask which profile is in force: the
rest of the code sees URLs.

In the external profile a process needs only the settings that it reads, so that a container has no secret of another:
what is not set raises ``SettingsError`` where it is read.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, IPvAnyNetwork, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

ENV_FILE_NAME = "stack.env"


class SettingsError(RuntimeError):
    """The environment lacks a setting or holds one that cannot be used; the message says what to do."""


def home() -> Path:
    """Return the data folder: ``NEIGHBORCONNECT_HOME``, else ``.neighborconnect`` in the working folder."""
    return Path(os.environ.get("NEIGHBORCONNECT_HOME") or ".neighborconnect").absolute()


def listen_address(value: str) -> tuple[str, int]:
    """Return host and port of a ``host:port`` setting (``[::]:8000`` for IPv6).

    Raises:
        ValueError: when it is something else.
    """
    parts = urlsplit(f"//{value}")
    if not parts.hostname or not parts.port or parts.netloc != value or "@" in value:
        raise ValueError("give it as host:port, such as 127.0.0.1:8000 or 0.0.0.0:8000")
    return parts.hostname, parts.port


def _checked_address(value: str) -> str:
    listen_address(value)
    return value


ListenAddress = Annotated[str, AfterValidator(_checked_address)]
"""Where a process listens, as ``host:port``; a URL says where others reach it."""


class OAuthProvider(BaseModel):
    """Another service that people may log in with, by OpenID Connect."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,50}$")
    issuer: str
    client_id: str
    client_secret: SecretStr


class Settings(BaseSettings):
    """Where everything is. Field names are the environment names in lower case."""

    model_config = SettingsConfigDict(extra="ignore", case_sensitive=False)

    # The profile, and where an embedded stack lives.
    neighborconnect_profile: Literal["embedded", "external"] = "embedded"
    neighborconnect_home: Path = Field(default_factory=home)
    neighborconnect_port_offset: int = Field(default=0, ge=0, le=9_000)
    neighborconnect_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    neighborconnect_log_format: Literal["json", "console"] = "json"

    # PostgreSQL, one URL a database (``postgresql://user:password@host:port/name``).
    database_url: str = Field(repr=False)
    warehouse_url: str = Field(repr=False)
    mlflow_database_url: str = Field(repr=False)
    dagster_database_url: str = Field(repr=False)
    feast_database_url: str = Field(repr=False)

    # Redis: the API's, and Feast's online store.
    redis_url: str = Field(repr=False)
    feast_redis_url: str = Field(repr=False)

    # Kafka.
    kafka_bootstrap_servers: str
    # How clients connect, and the principal of this process: each has rights of its own (`stack/kafka_acls.py`).
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    kafka_username: str = ""
    kafka_password: SecretStr = SecretStr("")

    # The S3 API and its buckets.
    s3_endpoint_url: str
    s3_region: str = "us-east-1"
    s3_access_key: str = Field(repr=False)
    s3_secret_key: SecretStr
    s3_media_bucket: str = "media"
    s3_lake_bucket: str = "lake"
    s3_mlflow_bucket: str = "mlflow"
    # Published heads of the audit chain. Outside of a laptop: with object lock, or under credentials that only add.
    s3_audit_bucket: str = "audit"

    # Media documents: MongoDB where this is set, else PostgreSQL JSONB.
    mongo_url: str | None = Field(default=None, repr=False)

    # Media. Links lead to the CDN where one is named, signed with the secret that it checks, else to the bucket.
    media_quota_mib: int = Field(default=1_024, ge=1)
    # How long an upload is its owner's alone while no model has looked at it; where none is named, nothing waits.
    media_look_minutes: int = Field(default=15, ge=0)
    cdn_base_url: str | None = None
    cdn_secret: SecretStr | None = None

    # Our own services: where others reach each of them.
    api_url: str = "http://127.0.0.1:8000"
    mlflow_tracking_uri: str
    dagster_url: str = "http://127.0.0.1:3000"
    recommendation_url: str = "http://127.0.0.1:5001"
    recommendation_deadline_ms: int = Field(default=150, ge=1)
    # The other model services; where one is not named, the API's own rules answer and say so.
    content_url: str | None = None
    matching_url: str | None = None
    image_url: str | None = None
    video_url: str | None = None
    inference_deadline_ms: int = Field(default=1_000, ge=1)
    image_deadline_ms: int = Field(default=10_000, ge=1)
    video_deadline_ms: int = Field(default=300_000, ge=1)

    # The Dagster run that this process works for; the pipelines set it, so that MLflow's runs name it.
    dagster_run_id: str | None = None

    # Where each of them listens; in a container 0.0.0.0 and the port of its URL.
    api_listen: ListenAddress = "127.0.0.1:8000"
    mlflow_listen: ListenAddress = "127.0.0.1:5000"
    dagster_listen: ListenAddress = "127.0.0.1:3000"
    recommendation_listen: ListenAddress = "127.0.0.1:5001"
    content_listen: ListenAddress = "127.0.0.1:5002"
    matching_listen: ListenAddress = "127.0.0.1:5003"
    image_listen: ListenAddress = "127.0.0.1:5004"
    video_listen: ListenAddress = "127.0.0.1:5005"

    # How much one person may ask of one endpoint.
    rate_limit_reads: str = "600/minute"
    rate_limit_writes: str = "120/minute"
    # How much one network (an IPv4 address, a /64 of IPv6) may do without logging in: wrong passwords or tokens,
    # accounts that it opens, and letters that it asks for.
    rate_limit_failures: str = "60/15 minutes;500/day"
    rate_limit_registrations: str = "10/hour;40/day"
    rate_limit_letters: str = "20/hour;100/day"
    # Reverse proxies whose X-Forwarded-For is believed (a JSON list of addresses or networks); none unless named.
    # Behind a proxy that is not named here everybody has the proxy's address, and shares its limits.
    trusted_proxies: list[IPvAnyNetwork] = []

    # Browsers of these origins may call the API (a JSON list); none unless named.
    cors_allow_origins: list[str] = []

    # Mail. Without a server, letters land in ``mail/`` of the home; ``neighborconnect mail`` shows them.
    smtp_url: str | None = Field(default=None, repr=False)  # smtp://user:password@host:587, or smtps://
    mail_from: str = "NeighborConnect <hello@neighborconnect.example>"
    # Where people reach the front end: links in letters lead there.
    public_url: str = "http://localhost:8000"

    # Pushes. Browsers are told by services of these addresses (patterns) only, with this key; without one, not at all.
    vapid_private_key: SecretStr | None = None
    vapid_contact: str = "mailto:hello@neighborconnect.example"
    push_services: list[str] = [
        "https://fcm.googleapis.com",
        "https://updates.push.services.mozilla.com",
        "https://web.push.apple.com",
        "https://*.notify.windows.com",
    ]
    expo_push_url: str = "https://exp.host/--/api/v2/push/send"

    # Tokens. The signing key comes from the secret; those of former secrets, by commas, stay good until they expire.
    jwt_secret: SecretStr
    jwt_former_secrets: SecretStr | None = None
    access_token_minutes: int = Field(default=15, ge=1)
    refresh_token_days: int = Field(default=30, ge=1)

    # What seals personal columns at rest. The first key seals; those after it, by commas, still open what they sealed.
    personal_data_keys: SecretStr
    # Signs the published heads of the audit chain. It must not be stored in the database, nor change.
    audit_key: SecretStr
    # What processes of the platform prove themselves with: pipelines to the API, the API and pipelines to the model
    # services, those to MLflow, from which it reads only. A scraper of /metrics sends it, too, as a bearer token.
    platform_token: SecretStr
    # What training proves itself with to MLflow, which it writes to.
    mlflow_tracking_token: SecretStr
    # With which a person opens Dagster and MLflow, as the user ``operator``.
    operator_password: SecretStr
    # Host names at which they are opened, in addition to this machine's and those in their URLs (a JSON list).
    operator_hosts: list[str] = []

    # Other services that people may log in with (a JSON list); each sends them back to PUBLIC_URL/oauth/<name>.
    oauth_providers: list[OAuthProvider] = []

    if not TYPE_CHECKING:  # else every unknown name would count as an attribute

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                raise SettingsError(f"{name.upper()} is not set, and this process reads it; give it to the process.")
            return super().__getattr__(name)

    @property
    def lake_storage_options(self) -> dict[str, str]:
        """Options with which ``deltalake`` and Polars open ``s3://`` paths of the lake."""
        return {
            "AWS_ENDPOINT_URL": self.s3_endpoint_url,
            "AWS_REGION": self.s3_region,
            "AWS_ACCESS_KEY_ID": self.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": self.s3_secret_key.get_secret_value(),
            "AWS_ALLOW_HTTP": "true" if self.s3_endpoint_url.startswith("http://") else "false",
            "aws_conditional_put": "etag",
        }

    def lake_path(self, *parts: str) -> str:
        """Return the ``s3://`` address of a table or file in the lake."""
        return "s3://" + "/".join((self.s3_lake_bucket, *parts))


def sqlalchemy_url(url: str) -> str:
    """Name psycopg 3 as the driver of a plain ``postgresql://`` URL."""
    return "postgresql+psycopg://" + url.removeprefix("postgresql://")


def read_settings(env_file: Path | None) -> Settings:
    """Read the settings; in the external profile, those that are required and not set stay unset.

    Raises:
        ValidationError: when one is unusable, or, in the embedded profile, missing.
    """
    try:
        return Settings(_env_file=env_file)
    except ValidationError as error:
        missing = [str(wrong["loc"][0]) for wrong in error.errors() if wrong["type"] == "missing"]
        if os.environ.get("NEIGHBORCONNECT_PROFILE") != "external" or len(missing) < error.error_count():
            raise
    settings = Settings(_env_file=env_file, **dict.fromkeys(missing, "unset"))  # type: ignore[arg-type]
    for name in missing:
        del settings.__dict__[name]
    return settings


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Read the settings once a process.

    Raises:
        SettingsError: when a needed setting is missing or unusable.
    """
    try:
        return read_settings(home() / ENV_FILE_NAME)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(str(part) for part in e['loc']).upper()}: {e['msg']}" for e in error.errors())
        raise SettingsError(
            f"The settings are not complete ({wrong}). Run `make up` to start the embedded servers, "
            "or set these variables to the URLs of your own."
        ) from None
