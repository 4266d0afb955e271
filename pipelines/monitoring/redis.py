"""State of Redis: memory, evictions, hits and misses of the server of the API and of the online features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from redis import Redis

from neighborconnect.settings import Settings
from pipelines.monitoring.exporter import Family

_SECONDS = 3.0


def collect(settings: Settings) -> Iterator[Family]:
    """Yield the state of each server; both databases may be on one."""
    memory = GaugeMetricFamily("neighborconnect_redis_memory_bytes", "Memory in use.", labels=["server"])
    limit = GaugeMetricFamily(
        "neighborconnect_redis_memory_limit_bytes", "Limit of the memory; 0 for none.", labels=["server"]
    )
    clients = GaugeMetricFamily("neighborconnect_redis_clients", "Connected clients.", labels=["server"])
    evicted = CounterMetricFamily(
        "neighborconnect_redis_evicted_keys", "Keys evicted for lack of memory.", labels=["server"]
    )
    lookups = CounterMetricFamily(
        "neighborconnect_redis_lookups", "Look-ups of keys by outcome.", labels=["server", "outcome"]
    )
    keys = GaugeMetricFamily("neighborconnect_redis_keys", "Keys of a database.", labels=["server", "database"])
    for server, url in _servers(settings).items():
        with Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS) as client:
            info: Any = client.info("everything")
        memory.add_metric([server], info["used_memory"])
        limit.add_metric([server], info.get("maxmemory", 0))
        clients.add_metric([server], info["connected_clients"])
        evicted.add_metric([server], info["evicted_keys"])
        lookups.add_metric([server, "hit"], info["keyspace_hits"])
        lookups.add_metric([server, "miss"], info["keyspace_misses"])
        for name, counted in info.items():
            if name.startswith("db") and isinstance(counted, dict):
                keys.add_metric([server, name.removeprefix("db")], counted["keys"])
    yield from (memory, limit, clients, evicted, lookups, keys)


def _servers(settings: Settings) -> dict[str, str]:
    """Return the URLs by name: ``api``, and ``features`` if it is another server."""
    api, features = settings.redis_url, settings.feast_redis_url
    return {"api": api} if urlsplit(api).netloc == urlsplit(features).netloc else {"api": api, "features": features}
