"""Which broker this machine can run."""

from __future__ import annotations

import os

from neighborconnect.stack.errors import StackError
from neighborconnect.stack.java import JarsUnavailableError
from neighborconnect.stack.kafka import kafka
from neighborconnect.stack.layout import BROKER_FILE_NAME, Stack, write_private
from neighborconnect.stack.service import Service
from neighborconnect.stack.tansu import tansu

CHOICE = "NEIGHBORCONNECT_BROKER"


def broker(stack: Stack) -> Service:
    """Describe Apache Kafka; Tansu where Kafka's jars cannot be had, or where ``NEIGHBORCONNECT_BROKER`` says so.

    A home keeps the broker that it began with: neither reads the other's data.

    Raises:
        StackError: when the choice is unknown, or the home was begun with Kafka and its jars are gone.
    """
    mark = stack.home / BROKER_FILE_NAME
    chosen = os.environ.get(CHOICE) or (mark.read_text().strip() if mark.exists() else "")
    if chosen not in ("", "kafka", "tansu"):
        raise StackError(f"{CHOICE} is {chosen!r}; it can be kafka or tansu.")
    if chosen == "tansu":
        service = tansu(stack, reason="chosen")
    else:
        try:
            service = kafka(stack)
        except JarsUnavailableError as error:
            if chosen == "kafka":
                raise
            service = tansu(stack, reason=str(error))
    if not mark.exists():
        write_private(mark, "tansu" if service.title.startswith("Tansu") else "kafka")
    return service
