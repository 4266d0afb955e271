"""No port of the servers lets a client without credentials read or write."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from local_stack.ports import HOST
from local_stack.servers.seaweed import s3_client, seaweed
from local_stack.service_catalog import SERVERS
from local_stack.stack import Stack
from tests.anonymous_access import http_leaks, listeners, mutual_tls_leaks, open_to_anyone, server_probes


def test_every_server_socket_refuses_anonymous_clients(servers: Stack) -> None:
    assert open_to_anyone(servers.home, server_probes(servers.ports), services=SERVERS) == []


def test_sockets_come_from_the_operating_system(servers: Stack) -> None:
    ports = {listener.port for listener in listeners(servers.home) if listener.kind == "tcp"}
    assert ports >= set(servers.ports.server_ports)


def test_a_socket_without_a_probe_is_a_problem(servers: Stack) -> None:
    probes = server_probes(servers.ports)
    del probes[servers.ports.seaweed["filer.port"]]
    [problem] = open_to_anyone(servers.home, probes, services=SERVERS)
    assert "no probe covers it" in problem


def test_probes_report_an_open_server() -> None:
    class Open(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Open) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        assert len(http_leaks(port, [("GET", "/"), ("GET", "/other")])) == 4
        assert mutual_tls_leaks(port)
        server.shutdown()


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_presigned_links_are_refused_to_other_origins(servers: Stack, method: str) -> None:
    url = s3_client(servers).presigned_get_object("stack", "ready")
    headers = {"Origin": "http://attacker.example", "Access-Control-Request-Method": "GET"}
    response = httpx.request(method, url, headers=headers)
    assert response.status_code == (200 if method == "GET" else 403)
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("host", [HOST, "localhost"])
def test_the_web_app_of_the_api_may_use_presigned_links(servers: Stack, host: str) -> None:
    url = s3_client(servers).presigned_put_object("media", "of-the-web-app")
    origin = f"http://{host}:{servers.ports.api}"
    response = httpx.options(url, headers={"Origin": origin, "Access-Control-Request-Method": "PUT"})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, origin)


def test_seaweed_keys_are_readable_by_their_owner_only(servers: Stack) -> None:
    folder = seaweed(servers).working_folder
    assert folder is not None
    assert folder.stat().st_mode & 0o777 == 0o700
    files = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    assert files.items() >= {"security.toml": 0o600, "node.key": 0o600, "node.pem": 0o600, "ca.pem": 0o600}.items()
    assert set(files.values()) <= {0o600, 0o700}
