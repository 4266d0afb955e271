"""Checks before anything starts; each problem is one sentence."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable

import psutil

from neighborconnect.stack.child import MARK
from neighborconnect.stack.errors import StackError
from neighborconnect.stack.layout import Stack
from neighborconnect.stack.ports import free_offset, is_free
from neighborconnect.stack.service import Service

LEAST_FREE_BYTES = 2 * 1024**3


def _holder(port: int) -> str:
    """Name the process that listens on ``port``, and the home that it belongs to where it is another stack's."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                if connection.pid is None:
                    break
                process = psutil.Process(connection.pid)
                home, _, name = process.environ().get(MARK, "").rpartition(":")
                stack = f", {name} of the stack at {home}" if home else ""
                return f"process {connection.pid} ({process.name()}{stack})"
    return "another process"


def check_ports(services: Iterable[Service]) -> None:
    """Raise ``StackError`` when a port of one of the services is taken; names an offset at which all are free."""
    for service in services:
        for port in service.ports:
            if not is_free(port):
                other = free_offset()
                move = (
                    ""
                    if other is None
                    else (
                        ", or move this stack to other ports: "
                        f"`neighborconnect down && neighborconnect ports {other}`, then start it again"
                    )
                )
                raise StackError(
                    f"Port {port}, which {service.title} needs, is taken by {_holder(port)}: stop that{move}."
                )


def check_disk(stack: Stack) -> None:
    """Raise ``StackError`` when the home's disk is nearly full."""
    least = int(os.environ.get("NEIGHBORCONNECT_LEAST_FREE_BYTES") or LEAST_FREE_BYTES)
    free = shutil.disk_usage(stack.home).free
    if free < least:
        raise StackError(
            f"The disk of {stack.home} has {free / 1e9:.1f} GB free and {least / 1e9:.1f} GB are needed: "
            "free some, or set NEIGHBORCONNECT_HOME to a folder on a larger disk."
        )
