"""Ports of each process, all on loopback; every port of a stack is its base port plus the same offset.

Two stacks share no port if their offsets differ and both are in ``OFFSETS``: multiples of 25 in blocks in which no
difference of two offsets is a difference of two base ports (tests/local_stack/test_ports.py compares all pairs). Every
port is below 32768, where Linux starts the range of ephemeral ports.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

HOST = "127.0.0.1"
SEAWEED_ADMIN_GRPC_DISTANCE = 10_000
OFFSET_STEP = 25
OFFSET_BLOCKS = ((0, 975), (4_000, 4_975), (8_000, 8_975))
OFFSETS = tuple(offset for first, last in OFFSET_BLOCKS for offset in range(first, last + 1, OFFSET_STEP))
OFFSETS_DESCRIPTION = "a multiple of 25 from 0 to 975, from 4000 to 4975, or from 8000 to 8975"


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of one stack."""

    offset: int = 0

    def _at(self, base: int) -> int:
        return base + self.offset

    @property
    def postgres(self) -> int:
        """PostgreSQL's port."""
        return self._at(15432)

    @property
    def redis(self) -> int:
        """Valkey's port."""
        return self._at(16379)

    @property
    def s3(self) -> int:
        """The S3 API's port."""
        return self._at(18333)

    @property
    def seaweed(self) -> dict[str, int]:
        """Ports of SeaweedFS by flag. Its worker expects the admin gRPC port 10000 above the admin port."""
        admin = self._at(9341)
        return {
            "s3.port": self.s3,
            "s3.port.grpc": self._at(18334),
            "master.port": self._at(18335),
            "master.port.grpc": self._at(18336),
            "volume.port": self._at(18337),
            "volume.port.grpc": self._at(18338),
            "filer.port": self._at(18339),
            "filer.port.grpc": self._at(18340),
            "admin.port": admin,
            "admin.port.grpc": admin + SEAWEED_ADMIN_GRPC_DISTANCE,
        }

    @property
    def kafka(self) -> int:
        """The broker's client port."""
        return self._at(19092)

    @property
    def kafka_controller(self) -> int:
        """The KRaft controller's port."""
        return self._at(19093)

    @property
    def api(self) -> int:
        """The product API's port."""
        return self._at(8000)

    @property
    def mlflow(self) -> int:
        """MLflow's port."""
        return self._at(5000)

    @property
    def recommendation(self) -> int:
        """The recommendation bento's port."""
        return self._at(5001)

    @property
    def content(self) -> int:
        """The content bento's port."""
        return self._at(5002)

    @property
    def matching(self) -> int:
        """The matching bento's port."""
        return self._at(5003)

    @property
    def image(self) -> int:
        """The image bento's port."""
        return self._at(5004)

    @property
    def video(self) -> int:
        """The video bento's port."""
        return self._at(5005)

    @property
    def monitoring(self) -> int:
        """The metrics exporter's port."""
        return self._at(5006)

    @property
    def dagster(self) -> int:
        """Dagster's web server's port."""
        return self._at(3000)

    @property
    def server_ports(self) -> tuple[int, ...]:
        """Every port of the four servers."""
        return (self.postgres, self.redis, *self.seaweed.values(), self.kafka, self.kafka_controller)

    @property
    def all(self) -> tuple[int, ...]:
        """Every port of the stack."""
        bentos = (self.recommendation, self.content, self.matching, self.image, self.video)
        return (*self.server_ports, self.api, self.mlflow, *bentos, self.monitoring, self.dagster)


def is_free(port: int) -> bool:
    """Return whether a server could listen on ``port`` now; closing connections do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def find_free_offset(*, start: int = 0, step: int = OFFSET_STEP) -> int | None:
    """Return the first offset from ``start``, in steps of ``step``, at which every port is free; None without one."""
    offsets = (offset for offset in OFFSETS if offset >= start and (offset - start) % step == 0)
    return next((offset for offset in offsets if all(map(is_free, Ports(offset).all))), None)
