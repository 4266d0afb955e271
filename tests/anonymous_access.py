"""Listening sockets of a running stack, and probes that try to use each of them without credentials.

A probe returns what it was able to do; an empty list means that the port refused everything. Ports come from the
operating system, so a listener without a probe is an error and not an omission.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import socket
import ssl
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local_stack.managed_process import find_tagged_processes
from local_stack.ports import HOST, Ports

Probe = Callable[[int], list[str]]

_SECONDS = 5.0
_HTTP_1 = b"%s / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
# The preface of HTTP/2 with an empty SETTINGS frame: a gRPC server answers it with its own SETTINGS.
_HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """A socket on which a process of the stack accepts data: ``port`` is 0 for a Unix socket at ``address``."""

    service: str
    kind: str
    address: str
    port: int


def _processes(home: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Yield every process of the stack with its service: a service is a session."""
    leaders = {child.pid: name for name, child in find_tagged_processes(home).items()}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if (name := leaders.get(os.getsid(process.pid))) is not None:
                yield name, process


def listeners(home: Path) -> list[Listener]:
    """Return every socket on which a process of this home's stack listens."""
    sockets = set()
    for service, process in _processes(home):
        with contextlib.suppress(psutil.NoSuchProcess):
            for connection in process.net_connections(kind="all"):
                if connection.family == socket.AF_UNIX:
                    if connection.laddr:
                        sockets.add(Listener(service, "unix", str(connection.laddr), 0))
                elif connection.type == socket.SOCK_DGRAM or connection.status == psutil.CONN_LISTEN:
                    kind = "udp" if connection.type == socket.SOCK_DGRAM else "tcp"
                    sockets.add(Listener(service, kind, connection.laddr.ip, connection.laddr.port))
    return sorted(sockets)


def _is_closed_to_others(path: Path) -> bool:
    """Return whether the mode of a Unix socket or of its folder excludes other users."""
    return bool(path.exists() and any(not entry.stat().st_mode & 0o077 for entry in (path, path.parent)))


def open_to_anyone(home: Path, probes: Mapping[int, Probe], *, services: Iterable[str] | None = None) -> list[str]:
    """Return what clients without credentials can do at the sockets of a stack, and sockets that have no probe.

    ``services`` narrows the check to some of the running services.
    """
    wanted = None if services is None else set(services)
    problems = []
    for listener in listeners(home):
        if wanted is not None and listener.service not in wanted:
            continue
        label = f"{listener.service} {listener.kind} {listener.address}:{listener.port}"
        if listener.kind == "unix":
            if not _is_closed_to_others(Path(listener.address)):
                problems.append(f"{label}: other accounts can connect")
            continue
        if listener.address.removeprefix("::ffff:") != HOST:
            problems.append(f"{label}: not bound to loopback")
        if listener.kind != "tcp" or listener.port not in probes:
            problems.append(f"{label}: no probe covers it")
            continue
        problems += [f"{label}: {leak}" for leak in probes[listener.port](listener.port)]
    return problems


def http_leaks(
    port: int, requests: Iterable[tuple[str, str]], *, headers: Mapping[str, str] | None = None
) -> list[str]:
    """Return the requests that an HTTP server does not refuse, and whether web pages of any origin may read the answer.

    A refusal may be read by anyone: SeaweedFS allows that for ``GET /``, whatever its settings say.
    """
    leaks = []
    with httpx.Client(base_url=f"http://{HOST}:{port}", timeout=_SECONDS, trust_env=False) as client:
        for method, path in requests:
            sent = {"Origin": "http://attacker.example"} | dict(headers or {})
            body = b"anonymous" if method in ("PUT", "POST", "PATCH") else None
            response = client.request(method, path, headers=sent, content=body)
            if response.status_code in (401, 403):
                continue
            leaks.append(f"{method} {path} is answered with {response.status_code}")
            if (allowed := response.headers.get("access-control-allow-origin")) is not None:
                leaks.append(f"{method} {path} may be read by web pages of {allowed}")
    return leaks


def _stranger(folder: Path) -> Path:
    """Write the certificate and key of an authority that nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    # The name of SeaweedFS's own certificate, since servers may compare nothing else.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "seaweedfs")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / "stranger.pem"
    file.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return file


def _answer(port: int, sent: bytes, *, tls: ssl.SSLContext | None) -> bytes:
    """Return the first bytes that a server sends back; none when it refuses the connection in any way."""
    try:
        with socket.create_connection((HOST, port), timeout=_SECONDS) as plain:
            if tls is None:
                plain.sendall(sent)
                return plain.recv(4096)
            with tls.wrap_socket(plain, server_hostname="localhost") as encrypted:
                encrypted.sendall(sent)
                return encrypted.recv(4096)
    except OSError:
        return b""


def mutual_tls_leaks(port: int) -> list[str]:
    """Return how a port answers clients that have no certificate of its own authority, over HTTP/1, HTTP/2 and gRPC."""
    leaks = []
    with tempfile.TemporaryDirectory() as folder:
        contexts: dict[str, ssl.SSLContext | None] = {"plain text": None}
        for name in ("TLS without a certificate", "TLS with a stranger's certificate"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(["h2", "http/1.1"])
            contexts[name] = context
        context.load_cert_chain(_stranger(Path(folder)))
    for name, context_or_none in contexts.items():
        for sent in (_HTTP_1 % b"GET", _HTTP_1 % b"POST", _HTTP_2):
            answer = _answer(port, sent, tls=context_or_none)
            # Go's server refuses plain text on a TLS port with this sentence, or with a TLS alert.
            if context_or_none is None and (b"HTTP request to an HTTPS server" in answer or answer[:1] == b"\x15"):
                continue
            if answer:
                leaks.append(f"{name} is answered with {answer[:60]!r}")
    return leaks


def postgres_leaks(port: int) -> list[str]:
    """Return the roles that may log in to PostgreSQL without a password."""
    leaks = []
    for role in ("postgres", "neighborconnect", "warehouse", "mlflow", "dagster", "feast", "nobody"):
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(host=HOST, port=port, user=role, dbname="postgres", password="").close()
            leaks.append(f"role {role} needs no password")
    return leaks


def redis_leaks(port: int) -> list[str]:
    """Return the commands that Valkey carries out without a password."""
    leaks = []
    for command in ("GET stack:ready", "SET stack:anonymous 1", "KEYS *", "CONFIG GET dir", "DEL stack:ready"):
        answer = _answer(port, f"{command}\r\n".encode(), tls=None)
        if not answer.startswith(b"-NOAUTH"):
            leaks.append(f"{command} is answered with {answer[:60]!r}")
    return leaks


def kafka_leaks(port: int) -> list[str]:
    """Return the requests that a Kafka listener answers before a client has authenticated."""
    requests = {"Produce": 0, "Fetch": 1, "Metadata": 3, "CreateTopics": 19, "CreateAcls": 30, "Vote": 52}
    leaks = []
    for name, key in requests.items():
        # Version 0, correlation id 7, no client id, and an empty body that the first fields of each request accept.
        body = struct.pack(">hhih", key, 0, 7, -1) + bytes(16)
        if answer := _answer(port, struct.pack(">i", len(body)) + body, tls=None):
            leaks.append(f"{name} is answered with {answer[:60]!r}")
    return leaks


def s3_leaks(port: int) -> list[str]:
    """Return the requests that the S3 API carries out without a signature."""
    buckets = ("media", "lake", "mlflow", "stack")
    requests = [("GET", "/"), ("PUT", "/anonymous")]
    for bucket in buckets:
        requests += [("GET", f"/{bucket}"), ("GET", f"/{bucket}/ready"), ("PUT", f"/{bucket}/anonymous")]
        requests += [("POST", f"/{bucket}?delete="), ("DELETE", f"/{bucket}/ready"), ("OPTIONS", f"/{bucket}/ready")]
    return http_leaks(port, requests)


def server_probes(ports: Ports) -> dict[int, Probe]:
    """Return the probe of each port of the four servers."""
    internal = dict.fromkeys((port for port in ports.seaweed.values() if port != ports.s3), mutual_tls_leaks)
    return {
        ports.postgres: postgres_leaks,
        ports.redis: redis_leaks,
        ports.s3: s3_leaks,
        ports.kafka: kafka_leaks,
        ports.kafka_controller: kafka_leaks,
        **internal,
    }


def web_leaks(*requests: tuple[str, str]) -> Probe:
    """Return a probe that sends requests as a page of another origin, and as a program of this machine."""

    def probe(port: int) -> list[str]:
        own = {"Origin": f"http://{HOST}:{port}"}
        return http_leaks(port, requests) + http_leaks(port, requests, headers=own)

    return probe


def platform_probes(ports: Ports) -> dict[int, Probe]:
    """Return the probe of each port of the platform's own processes."""
    bento = (("GET", "/"), ("GET", "/metrics"), ("GET", "/docs.json"), ("POST", "/reload"))
    mlflow = "/api/2.0/mlflow"
    return {
        ports.api: web_leaks(
            ("GET", "/metrics"),
            ("GET", "/api/v1/users/profile"),
            ("DELETE", "/api/v1/posts/00000000-0000-4000-8000-000000000000"),
            ("GET", "/api/v1/privacy/platform/exports"),
        ),
        ports.mlflow: web_leaks(
            ("GET", "/"),
            ("GET", f"{mlflow}/registered-models/search"),
            ("POST", f"{mlflow}/registered-models/alias"),
            ("POST", "/graphql"),
            ("GET", f"{mlflow}-artifacts/artifacts"),
            ("PUT", f"{mlflow}-artifacts/artifacts/anonymous"),
        ),
        ports.dagster: web_leaks(
            ("GET", "/"),
            ("GET", "/graphql?query=mutation{setNuxSeen}"),
            ("POST", "/graphql?query=mutation{setNuxSeen}"),
            ("POST", "/report_asset_materialization/anonymous"),
        ),
        ports.monitoring: web_leaks(("GET", "/"), ("GET", "/metrics"), ("POST", "/metrics")),
        ports.recommendation: web_leaks(*bento, ("POST", "/rank")),
        ports.content: web_leaks(*bento, ("POST", "/moderate")),
        ports.matching: web_leaks(*bento, ("POST", "/match")),
        ports.image: web_leaks(*bento, ("POST", "/classify")),
        ports.video: web_leaks(*bento, ("POST", "/analyze")),
    }
