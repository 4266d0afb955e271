"""Which process listens where. All on loopback; every port moves by the same offset."""

from __future__ import annotations

from dataclasses import dataclass

HOST = "127.0.0.1"
SEAWEED_ADMIN_GRPC_DISTANCE = 10_000


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of one stack. Offsets in steps of 100 give stacks that do not meet."""

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
        """SeaweedFS's listeners by flag. Its worker expects the admin gRPC port 10000 above the admin port."""
        admin = self._at(18342)
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
    def dagster(self) -> int:
        """Dagster's web server's port."""
        return self._at(3000)

    @property
    def dagster_code(self) -> int:
        """The port of the server that holds the pipelines' code for Dagster."""
        return self._at(4000)

    @property
    def of_servers(self) -> tuple[int, ...]:
        """Every port of the four servers."""
        return (self.postgres, self.redis, *self.seaweed.values(), self.kafka, self.kafka_controller)
