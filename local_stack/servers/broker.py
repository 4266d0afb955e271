"""Choice of the message broker: Apache Kafka, or Tansu as a fallback."""

from __future__ import annotations

import os

from local_stack.errors import StackError
from local_stack.servers.java import JarsUnavailableError
from local_stack.servers.kafka import kafka
from local_stack.servers.tansu import tansu
from local_stack.service import Service
from local_stack.stack import BROKER_FILE_NAME, Stack, write_private_file

BROKER_VARIABLE = "NEIGHBORCONNECT_BROKER"


def broker(stack: Stack) -> Service:
    """Describe Apache Kafka, or Tansu if Kafka's jars cannot be fetched or ``NEIGHBORCONNECT_BROKER=tansu``.

    The first start records the broker in the home, because neither broker reads the other's data.

    Raises:
        StackError: the setting is unknown, or the home uses Kafka and its jars are missing.
    """
    recorded = stack.home / BROKER_FILE_NAME
    chosen = os.environ.get(BROKER_VARIABLE) or (recorded.read_text().strip() if recorded.exists() else "")
    if chosen not in ("", "kafka", "tansu"):
        raise StackError(f"{BROKER_VARIABLE} is {chosen!r}; use kafka or tansu.")
    if chosen == "tansu":
        service = tansu(stack, reason="requested")
    else:
        try:
            service = kafka(stack)
        except JarsUnavailableError as error:
            if chosen == "kafka":
                raise
            service = tansu(stack, reason=str(error))
    if not recorded.exists():
        write_private_file(recorded, "tansu" if service.title.startswith("Tansu") else "kafka")
    return service
