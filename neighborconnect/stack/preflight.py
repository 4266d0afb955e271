"""What can be known to go wrong before anything starts, each told in one sentence."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket

import psutil

from neighborconnect.stack.errors import StackError
from neighborconnect.stack.layout import Stack
from neighborconnect.stack.ports import HOST
from neighborconnect.stack.service import Service

LEAST_FREE_BYTES = 2 * 1024**3


def _holder(port: int) -> str:
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                if connection.pid is None:
                    break
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return "another process"


def check_ports(service: Service, *, offset: int) -> None:
    """Raise ``StackError`` when a port of the service is taken."""
    for port in service.ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                raise StackError(
                    f"Port {port}, which {service.title} needs, is taken by {_holder(port)}: stop that, or move "
                    f"every port with NEIGHBORCONNECT_PORT_OFFSET={offset + 100}."
                ) from None


def check_disk(stack: Stack) -> None:
    """Raise ``StackError`` when the home's disk is nearly full."""
    least = int(os.environ.get("NEIGHBORCONNECT_LEAST_FREE_BYTES") or LEAST_FREE_BYTES)
    free = shutil.disk_usage(stack.home).free
    if free < least:
        raise StackError(
            f"The disk of {stack.home} has {free / 1e9:.1f} GB free and {least / 1e9:.1f} GB are needed: "
            "free some, or set NEIGHBORCONNECT_HOME to a folder on a larger disk."
        )
