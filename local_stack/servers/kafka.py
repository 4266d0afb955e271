"""Apache Kafka in KRaft mode: one node that is both broker and controller."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

from kafka.errors import KafkaError

from local_stack.errors import NotReadyError, StackError
from local_stack.kafka_principals import ADMIN, PRINCIPALS
from local_stack.ports import HOST
from local_stack.servers.java import java, resolve_jars
from local_stack.servers.kafka_acls import apply_acls
from local_stack.servers.kafka_client import admin_options, check_broker, create_topics
from local_stack.service import Service
from local_stack.stack import Stack, write_private_file

_JVM = ("-Xms96m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:MaxMetaspaceSize=128m")
_LOGS = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
)


def _jaas_config(stack: Stack, principals: tuple[str, ...]) -> str:
    """Return the JAAS entry of a listener: the broker's own login and the principals that may log in."""
    users = " ".join(f'user_{name}="{stack.secrets[f"kafka_{name}"]}"' for name in principals)
    own = f'username="{ADMIN}" password="{stack.secrets[f"kafka_{ADMIN}"]}"'
    return f"org.apache.kafka.common.security.plain.PlainLoginModule required {own} {users};"


def _properties(stack: Stack, *, data: Path) -> str:
    broker, controller = f"{HOST}:{stack.ports.kafka}", f"{HOST}:{stack.ports.kafka_controller}"
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
listeners=CLIENTS://{broker},CONTROLLER://{controller}
advertised.listeners=CLIENTS://{broker}
controller.listener.names=CONTROLLER
inter.broker.listener.name=CLIENTS
listener.security.protocol.map=CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.mechanism.controller.protocol=PLAIN
listener.name.clients.plain.sasl.jaas.config={_jaas_config(stack, PRINCIPALS)}
listener.name.controller.plain.sasl.jaas.config={_jaas_config(stack, (ADMIN,))}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{ADMIN}
allow.everyone.if.no.acl.found=false
log.dirs={data}
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=2
group.initial.rebalance.delay.ms=0
log.retention.hours=168
log.segment.bytes=134217728
log.cleaner.dedupe.buffer.size=16777216
"""


def _cluster_id(stack: Stack) -> str:
    raw = bytes.fromhex(stack.secrets["kafka_cluster"])[:16]
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def kafka(stack: Stack) -> Service:
    """Describe the Kafka broker of a stack, with the platform's topics.

    Raises:
        JarsUnavailableError: its jars cannot be downloaded.
        StackError: Java is not installed.
    """
    folder = stack.home / "kafka"
    properties, data = folder / "server.properties", folder / "data"
    program = [str(java()), *_JVM, *_LOGS, "-cp", f"{resolve_jars()}/*"]

    def prepare() -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        write_private_file(properties, _properties(stack, data=data))
        if (data / "meta.properties").exists():
            return
        # One argument: an id may begin with a hyphen and would be parsed as an option.
        cluster_id = f"--cluster-id={_cluster_id(stack)}"
        done = subprocess.run(
            [*program, "kafka.tools.StorageTool", "format", "-c", str(properties), cluster_id],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StackError(f"Kafka could not format {data}: {(done.stderr or done.stdout).strip().splitlines()[-1]}")

    bootstrap = f"{HOST}:{stack.ports.kafka}"
    options = admin_options(stack)

    def provision() -> None:
        try:
            apply_acls(options)
            create_topics(options)
        except KafkaError as error:
            raise NotReadyError(f"{type(error).__name__}: {error}") from None

    return Service(
        name="kafka",
        title="Apache Kafka",
        url=f"kafka://{bootstrap}",
        command=(*program, "kafka.Kafka", str(properties)),
        ports=(stack.ports.kafka, stack.ports.kafka_controller),
        prepare=prepare,
        check=lambda: check_broker(options),
        provision=provision,
        working_folder=stack.home,
        start_seconds=120,
        stop_seconds=20,
    )
