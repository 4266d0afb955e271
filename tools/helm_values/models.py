"""Models of the chart's values. Keys are in camel case, as Helm charts write them; unknown keys are errors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from neighborconnect.settings import Settings

_RENDERED = {
    "neighborconnect_profile",
    "neighborconnect_home",
    "neighborconnect_log_level",
    "neighborconnect_log_format",
    "neighborconnect_port_offset",
    "otel_exporter_otlp_endpoint",
    "otel_traces_sampler_arg",
    "kafka_bootstrap_servers",
    "kafka_security_protocol",
    "kafka_sasl_mechanism",
    "kafka_username",
    "document_store",
    "s3_endpoint_url",
    "s3_region",
    "s3_media_bucket",
    "s3_lake_bucket",
    "s3_mlflow_bucket",
    "s3_audit_bucket",
    "public_url",
    "public_api_url",
    "cors_allow_origins",
    "trusted_proxies",
    "dagster_run_id",
}
_ADDRESSES = ("_url", "_listen", "_uri")


def _is_secret(name: str) -> bool:
    field = Settings.model_fields[name]
    return not field.repr or "SecretStr" in str(field.annotation) or name == "oauth_providers"


def secret_settings() -> list[str]:
    """Return the variables of settings that only a Secret may hold."""
    return sorted(name.upper() for name in Settings.model_fields if _is_secret(name))


def free_settings() -> list[str]:
    """Return the variables that ``settings`` of the values may set: no secrets, and none that the chart renders."""
    addresses = {name for name in Settings.model_fields if name.endswith(_ADDRESSES)} - {
        "cdn_base_url",
        "expo_push_url",
    }
    names = set(Settings.model_fields) - _RENDERED - addresses
    return sorted(name.upper() for name in names if not _is_secret(name))


def _restrict_names(schema: dict[str, Any]) -> None:
    schema["propertyNames"] = {"enum": free_settings()}


def _restrict_references(schema: dict[str, Any]) -> None:
    kafka = r"KAFKA_PASSWORD_[A-Z_]+"
    names = "|".join(name for name in secret_settings() if name != "KAFKA_PASSWORD")
    schema["propertyNames"] = {"pattern": f"^({names}|{kafka})$"}


Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")]
"""Quantity of Kubernetes, such as 500m or 2Gi."""
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
Port = Annotated[int, Field(ge=1, le=65_535)]
Network = Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]+(/[0-9]{1,3})?$")]
Percent = Annotated[int, Field(ge=1, le=100)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Image(_Model):
    """Image of all processes. A digest, where it is set, replaces the tag."""

    repository: str
    tag: str
    digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")]
    pull_policy: Literal["Always", "IfNotPresent", "Never"]
    pull_secrets: list[Name]


class Kafka(_Model):
    """Brokers and how clients authenticate."""

    bootstrap_servers: Annotated[list[Annotated[str, Field(pattern=r"^[^\s,:]+:[0-9]+$")]], Field(min_length=1)]
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class Buckets(_Model):
    """Buckets of the object store."""

    media: str
    lake: str
    mlflow: str
    audit: str


class ObjectStore(_Model):
    """S3 API."""

    endpoint_url: Annotated[str, Field(pattern=r"^https?://[^\s/]+$")]
    region: str
    buckets: Buckets


class Stores(_Model):
    """Stores outside of the chart. Their URLs with credentials are secrets."""

    kafka: Kafka
    s3: ObjectStore
    documents: Literal["postgresql", "mongodb"]


class SecretReference(_Model):
    """Secret and key of one variable."""

    name: Name
    key: str | None = None


class Secrets(_Model):
    """Existing Secrets. The chart creates none."""

    name: Name
    references: Annotated[dict[str, SecretReference], Field(json_schema_extra=_restrict_references)]


class Scratch(_Model):
    """Largest size of the writable folders of a pod."""

    home: Quantity
    tmp: Quantity


class Amounts(_Model):
    """CPU and memory."""

    cpu: Quantity
    memory: Quantity


class Resources(_Model):
    """Requests and limits of a container."""

    requests: Amounts
    limits: Amounts


class TopologySpread(_Model):
    """Spread of the replicas over zones or hosts."""

    topology_key: str
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]


class ExternalMetric(_Model):
    """Metric of the external metrics API, such as that of KEDA or of the Prometheus adapter."""

    metric: str
    labels: dict[str, str]
    average_value: Quantity


class Autoscaling(_Model):
    """Bounds and metrics of a HorizontalPodAutoscaler."""

    enabled: bool
    min_replicas: Annotated[int, Field(ge=1)]
    max_replicas: Annotated[int, Field(ge=1)]
    cpu_percent: Percent | None = None
    external: ExternalMetric | None = None


class Placement(_Model):
    """Nodes and priority of pods."""

    node_selector: dict[str, str] = {}
    tolerations: list[dict[str, Any]] = []


class SingleComponent(Placement):
    """Component with exactly one replica."""

    resources: Resources
    priority_class_name: Name | None = None
    pod_annotations: dict[str, str] = {}


class Component(SingleComponent):
    """Component with any number of replicas."""

    replicas: Annotated[int, Field(ge=0)]
    autoscaling: Autoscaling


class BlueGreen(_Model):
    """Two versions at a time, one of which receives all requests."""

    active: Literal["blue", "green"]
    blue_tag: str
    green_tag: str


class Canary(_Model):
    """A second version that receives a share of the requests, in percent."""

    tag: str
    replicas: Annotated[int, Field(ge=0)]
    weight: Annotated[int, Field(ge=0, le=100)]


class Rollout(_Model):
    """Introduction of a new version of the API."""

    strategy: Literal["rolling", "blueGreen", "canary"]
    blue_green: BlueGreen
    canary: Canary


class Api(Component):
    """The product API."""

    rollout: Rollout


class Components(_Model):
    """Components by the name that ``docker-compose.yml`` gives them."""

    model_config = ConfigDict(extra="forbid", alias_generator=lambda name: name.replace("_", "-"))

    api: Api
    relay: Component
    jobs: Component
    ingest_lake: Component
    ingest_warehouse: Component
    stream_features: SingleComponent
    monitoring: SingleComponent
    mlflow: Component
    bento: Component
    bento_content: Component
    bento_matching: Component
    bento_image: Component
    bento_video: Component
    dagster_code: SingleComponent
    dagster_webserver: Component
    dagster_daemon: SingleComponent


class Runs(Placement):
    """Pods of Dagster's runs."""

    resources: Resources
    max_concurrent: Annotated[int, Field(ge=1)]
    max_runtime_seconds: Annotated[int, Field(ge=60)]


class Dagster(_Model):
    """Dagster's instance."""

    runs: Runs


class Prepare(_Model):
    """Job before each installation and upgrade: schema, topics and buckets."""

    enabled: bool
    deadline_seconds: Annotated[int, Field(ge=60)]
    resources: Resources


class EnvoyGateway(_Model):
    """Policies of Envoy Gateway, for which the cluster needs its custom resources."""

    enabled: bool
    trusted_hops: Annotated[int, Field(ge=0)]
    requests_per_second: Annotated[int, Field(ge=1)]
    request_bytes: Quantity


class Gateway(_Model):
    """The way of clients to the API."""

    kind: Literal["none", "Ingress", "HTTPRoute"]
    host: str
    class_name: str
    tls_secret_name: Name
    annotations: dict[str, str]
    trusted_proxies: list[Network]
    envoy_gateway: EnvoyGateway


class Peer(_Model):
    """Destinations outside of the release."""

    to: list[dict[str, Any]]
    ports: Annotated[list[Port], Field(min_length=1)]


class StorePeers(_Model):
    """Addresses and ports of the external stores."""

    postgresql: Peer
    redis: Peer
    kafka: Peer
    s3: Peer
    mongodb: Peer


class Internet(_Model):
    """Ports of hosts outside of the cluster, and the networks that do not count as outside."""

    ports: list[Port]
    except_: Annotated[list[Network], Field(alias="except")]


class NetworkPolicy(_Model):
    """Peers outside of the release. Within it, policies follow from the calls of each component."""

    enabled: bool
    gateway: Annotated[list[dict[str, Any]], Field(min_length=1)]
    prometheus: list[dict[str, Any]]
    collector: Peer
    dns: Annotated[list[dict[str, Any]], Field(min_length=1)]
    kubernetes_api: Peer
    internet: Internet
    stores: StorePeers


class Tracing(_Model):
    """Collector of the spans, and the share of requests that are recorded."""

    endpoint: Annotated[str, Field(pattern=r"^(https?://.*)?$")]
    share: Annotated[float, Field(ge=0, le=1)]


class Values(_Model):
    """Values of the chart."""

    fullname_override: Annotated[str, Field(max_length=40)]
    image: Image
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    tracing: Tracing
    public_url: Annotated[str, Field(pattern=r"^https?://")]
    public_api_url: Annotated[str, Field(pattern=r"^(https?://.*)?$")]
    cors_allow_origins: list[Annotated[str, Field(pattern=r"^https?://")]]
    settings: Annotated[dict[str, str | int | list[str]], Field(json_schema_extra=_restrict_names)]
    stores: Stores
    secrets: Secrets
    scratch: Scratch
    topology_spread: list[TopologySpread]
    components: Components
    dagster: Dagster
    prepare: Prepare
    gateway: Gateway
    network_policy: NetworkPolicy
