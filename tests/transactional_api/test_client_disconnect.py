"""A client that leaves before its request was read is no failure of the API."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from transactional_api.core.http.middleware import CLIENT_CLOSED_REQUEST, REQUESTS, RequestContext


async def read_body(scope: Scope, receive: Receive, send: Send) -> None:
    await Request(scope, receive, send).body()


def requests_by_status() -> dict[str, float]:
    samples = [sample for metric in REQUESTS.collect() for sample in metric.samples]
    counts: dict[str, float] = {}
    for sample in samples:
        if sample.name == "api_requests_total":
            counts[sample.labels["status"]] = counts.get(sample.labels["status"], 0.0) + sample.value
    return counts


async def test_disconnected_client_counts_as_499_not_as_500() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    app = RequestContext(read_body)
    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [],
        "scheme": "http",
        "server": ("test", 80),
        "client": ("127.0.0.1", 1),
    }
    before = requests_by_status()
    await app(scope, receive, send)
    after = requests_by_status()
    status = str(CLIENT_CLOSED_REQUEST)
    assert after[status] - before.get(status, 0.0) == 1
    assert after.get("500", 0.0) == before.get("500", 0.0)
    assert sent == []
