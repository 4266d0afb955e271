"""Checks before anything starts; each problem is reported in one sentence."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable

import psutil

from local_stack.errors import StackError
from local_stack.managed_process import ENV_TAG
from local_stack.ports import find_free_offset, is_free
from local_stack.service import Service
from local_stack.stack import Stack

MIN_FREE_BYTES = 2 * 1024**3


def _describe_listener(port: int) -> str:
    """Describe the process that listens on ``port``, with its home if it belongs to another stack."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                if connection.pid is None:
                    break
                process = psutil.Process(connection.pid)
                home, _, name = process.environ().get(ENV_TAG, "").rpartition(":")
                stack = f", {name} of the stack at {home}" if home else ""
                return f"process {connection.pid} ({process.name()}{stack})"
    return "another process"


def check_ports(services: Iterable[Service]) -> None:
    """Raise ``StackError`` if a port of one of the services is taken; the message names a free offset."""
    for service in services:
        for port in service.ports:
            if not is_free(port):
                other = find_free_offset()
                move = (
                    ""
                    if other is None
                    else (
                        ", or move this stack to other ports: "
                        f"`neighborconnect down && neighborconnect ports {other}`, then start it again"
                    )
                )
                raise StackError(
                    f"Port {port} of {service.title} is taken by {_describe_listener(port)}: stop that{move}."
                )


def check_disk(stack: Stack) -> None:
    """Raise ``StackError`` if the disk of the home is nearly full."""
    required = int(os.environ.get("NEIGHBORCONNECT_MIN_FREE_BYTES") or MIN_FREE_BYTES)
    free = shutil.disk_usage(stack.home).free
    if free < required:
        raise StackError(
            f"The disk of {stack.home} has {free / 1e9:.1f} GB free and {required / 1e9:.1f} GB are required: "
            "free some space, or set NEIGHBORCONNECT_HOME to a folder on a larger disk."
        )
