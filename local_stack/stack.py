"""One stack: its home folder, ports, secrets and settings."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from local_stack.errors import StackError
from local_stack.kafka_principals import ADMIN, PRINCIPALS
from local_stack.os_users import restrict_to_owner
from local_stack.ports import HOST, OFFSETS, OFFSETS_DESCRIPTION, Ports
from neighborconnect.settings import ENV_FILE_NAME, home

DATABASES = ("neighborconnect", "warehouse", "mlflow", "dagster", "feast")
READERS = {"analyst": ("warehouse", "feast"), "privacy_officer": ("warehouse",)}
"""PostgreSQL roles of people and notebooks, which only read, and the databases that they may connect to."""
SECRETS_FILE_NAME = "secrets.json"
BROKER_FILE_NAME = "broker"
RESTORE_MARKER = "restore-unfinished"
"""File in a home while a restore fills it; such a home does not start."""
BUCKETS = ("media", "lake", "mlflow", "audit")
ERASURES_FILE_NAME = "erasures-to-apply.jsonl"
"""File in a restored home with the erasures that its first start requests again."""
OFFSET_VARIABLE = "NEIGHBORCONNECT_PORT_OFFSET"
_MAX_SOCKET_PATH_BYTES = 100
_SECRET_NAMES = (
    "postgres",
    *DATABASES,
    *READERS,
    "backup",
    "redis",
    "s3_access",
    "s3_secret",
    "jwt",
    "kafka_cluster",
    *(f"kafka_{principal}" for principal in PRINCIPALS),
    "personal_data",
    "platform",
    "audit",
    "receipts",
    "mlflow_token",
    "operator",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One embedded stack.

    Attributes:
        home: absolute folder with all of its data, logs and secrets.
        ports: its TCP ports.
        secrets: generated passwords by name; PostgreSQL has one per database and per role of ``READERS``,
            ``postgres`` for the superuser, and ``backup`` for the role that copies the data folder.
    """

    home: Path
    ports: Ports
    secrets: dict[str, str]

    @property
    def logs(self) -> Path:
        """Folder of the logs, one file per process."""
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """Folder of the state files of running processes."""
        return self.home / "run"

    @property
    def env_file(self) -> Path:
        """File of the settings that every process of the platform reads."""
        return self.home / ENV_FILE_NAME

    @property
    def dagster_code_socket(self) -> Path:
        """Unix socket of the Dagster code server; in the folder of temporary files if the home's path is too long."""
        path = self.run / "dagster" / "code.sock"
        if len(os.fsencode(path)) <= _MAX_SOCKET_PATH_BYTES:
            return path
        name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(tempfile.gettempdir(), f"neighborconnect-{os.geteuid()}-{name}", "code.sock")

    def database_url(self, database: str, *, superuser: bool = False, reader: str | None = None) -> str:
        """Return the URL of a database for its owner, for the superuser, or for a role of ``READERS``."""
        role = "postgres" if superuser else reader or database
        return f"postgresql://{role}:{self.secrets[role]}@{HOST}:{self.ports.postgres}/{database}"

    def redis_url(self, database: int) -> str:
        """Return the URL of one numbered Redis database."""
        return f"redis://:{self.secrets['redis']}@{HOST}:{self.ports.redis}/{database}"

    def kafka_credentials(self, principal: str | None) -> dict[str, str]:
        """Return the settings with which a process connects to Kafka as ``principal``; None gives no access."""
        broker = self.home / BROKER_FILE_NAME
        if broker.exists() and broker.read_text(encoding="utf-8").strip() == "tansu":
            # Tansu supports neither principals nor ACLs.
            return {"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT", "KAFKA_USERNAME": "", "KAFKA_PASSWORD": ""}
        return {
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_USERNAME": principal or "",
            "KAFKA_PASSWORD": self.secrets[f"kafka_{principal}"] if principal else "",
        }

    @property
    def settings(self) -> dict[str, str]:
        """Settings of this stack, by environment variable."""
        return {
            "NEIGHBORCONNECT_PROFILE": "embedded",
            "NEIGHBORCONNECT_HOME": str(self.home),
            "NEIGHBORCONNECT_PORT_OFFSET": str(self.ports.offset),
            "DATABASE_URL": self.database_url("neighborconnect"),
            "WAREHOUSE_URL": self.database_url("warehouse"),
            "WAREHOUSE_ANALYST_URL": self.database_url("warehouse", reader="analyst"),
            "WAREHOUSE_PRIVACY_OFFICER_URL": self.database_url("warehouse", reader="privacy_officer"),
            "FEAST_ANALYST_URL": self.database_url("feast", reader="analyst"),
            "MLFLOW_DATABASE_URL": self.database_url("mlflow"),
            "DAGSTER_DATABASE_URL": self.database_url("dagster"),
            "FEAST_DATABASE_URL": self.database_url("feast"),
            "REDIS_URL": self.redis_url(0),
            "FEAST_REDIS_URL": self.redis_url(1),
            "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{self.ports.kafka}",
            **self.kafka_credentials(ADMIN),
            "S3_ENDPOINT_URL": f"http://{HOST}:{self.ports.s3}",
            "S3_ACCESS_KEY": self.secrets["s3_access"],
            "S3_SECRET_KEY": self.secrets["s3_secret"],
            "API_URL": f"http://{HOST}:{self.ports.api}",
            "MLFLOW_TRACKING_URI": f"http://{HOST}:{self.ports.mlflow}",
            "DAGSTER_URL": f"http://{HOST}:{self.ports.dagster}",
            "RECOMMENDATION_URL": f"http://{HOST}:{self.ports.recommendation}",
            "CONTENT_URL": f"http://{HOST}:{self.ports.content}",
            "MATCHING_URL": f"http://{HOST}:{self.ports.matching}",
            "IMAGE_URL": f"http://{HOST}:{self.ports.image}",
            "VIDEO_URL": f"http://{HOST}:{self.ports.video}",
            "MONITORING_URL": f"http://{HOST}:{self.ports.monitoring}",
            "API_LISTEN": f"{HOST}:{self.ports.api}",
            "MLFLOW_LISTEN": f"{HOST}:{self.ports.mlflow}",
            "DAGSTER_LISTEN": f"{HOST}:{self.ports.dagster}",
            "RECOMMENDATION_LISTEN": f"{HOST}:{self.ports.recommendation}",
            "CONTENT_LISTEN": f"{HOST}:{self.ports.content}",
            "MATCHING_LISTEN": f"{HOST}:{self.ports.matching}",
            "IMAGE_LISTEN": f"{HOST}:{self.ports.image}",
            "VIDEO_LISTEN": f"{HOST}:{self.ports.video}",
            "MONITORING_LISTEN": f"{HOST}:{self.ports.monitoring}",
            # Spans of the last hours, which ``neighborconnect traces`` shows.
            "TRACES_FOLDER": str(self.home / "traces"),
            "JWT_SECRET": self.secrets["jwt"],
            "PERSONAL_DATA_KEYS": self.secrets["personal_data"],
            "PLATFORM_TOKEN": self.secrets["platform"],
            "AUDIT_KEY": self.secrets["audit"],
            "RECEIPT_KEYS": self.secrets["receipts"],
            "MLFLOW_TRACKING_TOKEN": self.secrets["mlflow_token"],
            "OPERATOR_PASSWORD": self.secrets["operator"],
            **{name: os.environ.get(name) or value for name, value in self._overridable_settings.items()},
        }

    @property
    def _overridable_settings(self) -> dict[str, str]:
        """Settings that the environment of the shell may override."""
        return {
            # Base of the links in e-mails.
            "PUBLIC_URL": f"http://localhost:{self.ports.api}",
            # Development servers of front ends on this machine.
            "CORS_ALLOW_ORIGINS": '["http://localhost:*", "http://127.0.0.1:*"]',
            # All clients of an embedded stack share one network: this machine.
            "RATE_LIMIT_REGISTRATIONS": "1000/hour",
            "RATE_LIMIT_LETTERS": "2000/hour",
        }


def environment_offset() -> int | None:
    """Return ``NEIGHBORCONNECT_PORT_OFFSET`` of the environment; None if it is not set.

    Raises:
        StackError: it is not one of ``OFFSETS``.
    """
    raw = os.environ.get(OFFSET_VARIABLE)
    if not raw:
        return None
    if not raw.isdecimal() or int(raw) not in OFFSETS:
        raise StackError(f"{OFFSET_VARIABLE} is {raw!r}; use {OFFSETS_DESCRIPTION}, so that no two stacks collide.")
    return int(raw)


def recorded_offset(folder: Path) -> int | None:
    """Return the port offset recorded in a home; None for a new home."""
    raw = dotenv_values(folder / ENV_FILE_NAME).get(OFFSET_VARIABLE) if (folder / ENV_FILE_NAME).exists() else None
    return int(raw) if raw and raw.isdecimal() else None


def _resolve_offset(folder: Path, *, requested: int | None) -> int:
    recorded = recorded_offset(folder)
    if recorded is None:
        return requested or 0
    problem, other = "", str(requested)
    if requested is not None and requested != recorded:
        problem = f"and {OFFSET_VARIABLE} is {requested}: unset that, or"
    elif recorded not in OFFSETS:
        problem, other = "at which it can share ports with another stack:", "OFFSET"
    if problem:
        move = f"stop it and move it with `neighborconnect down && neighborconnect ports {other}`"
        raise StackError(f"{folder} uses port offset {recorded}, {problem} {move}.")
    return recorded


def prepare_socket(path: Path) -> None:
    """Create the private folder of a Unix socket, and remove the socket of an earlier process.

    Raises:
        StackError: the folder belongs to another user.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.parent.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise StackError(f"{path.parent} belongs to another user; remove it, or set TMPDIR to a folder of your own.")
    path.parent.chmod(0o700)
    path.unlink(missing_ok=True)


def write_private_file(path: Path, text: str) -> None:
    """Replace a text file atomically by one that only its owner can read."""
    write_private_bytes(path, text.encode())


def write_private_bytes(path: Path, content: bytes) -> None:
    """Replace a file atomically by one that only its owner can read."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _read_secrets(path: Path) -> dict[str, str]:
    secrets_by_name: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return secrets_by_name


def _create_missing_secrets(path: Path) -> dict[str, str]:
    present = _read_secrets(path)
    missing = [name for name in _SECRET_NAMES if name not in present]
    if missing:
        present |= {name: secrets.token_hex(24) for name in missing}
        write_private_file(path, json.dumps(present, indent=1))
    return present


def stack_exists() -> bool:
    """Return whether the home was started before."""
    return (home() / SECRETS_FILE_NAME).exists()


def read_stack(folder: Path | None = None) -> Stack:
    """Return the stack of an existing home without changing it; the offset of the environment is ignored.

    Secrets that the home does not have yet are empty.
    """
    folder = (folder or home()).absolute()
    present = _read_secrets(folder / SECRETS_FILE_NAME)
    return Stack(
        home=folder,
        ports=Ports(recorded_offset(folder) or 0),
        secrets=dict.fromkeys(_SECRET_NAMES, "") | present,
    )


def open_stack(*, folder: Path | None = None, offset: int | None = None, move: bool = False) -> Stack:
    """Open the stack of a home in order to start it; create missing folders, passwords and ``stack.env``.

    The first call records the port offset of the home: ``offset``, else that of the environment, else 0.

    Args:
        folder: the home; that of the environment if None.
        offset: port offset.
        move: replace the recorded offset by ``offset``.

    Raises:
        StackError: the folder cannot be written, or the home uses another offset than the requested one.
    """
    folder = (folder or home()).absolute()
    if (folder / RESTORE_MARKER).exists():
        raise StackError(f"{folder} has an unfinished restore; delete the folder and restore again.")
    requested = environment_offset() if offset is None else offset
    try:
        used = offset if move and offset is not None else _resolve_offset(folder, requested=requested)
        for path in (folder, folder / "logs", folder / "run"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        restrict_to_owner(folder)
        stack = Stack(home=folder, ports=Ports(used), secrets=_create_missing_secrets(folder / SECRETS_FILE_NAME))
        text = "".join(f"{name}={value}\n" for name, value in stack.settings.items())
        if not stack.env_file.exists() or stack.env_file.read_text(encoding="utf-8") != text:
            write_private_file(stack.env_file, text)
    except OSError as error:
        raise StackError(
            f"{folder} cannot be used ({error.strerror}); give this user write permission on it or "
            "set NEIGHBORCONNECT_HOME to a folder that it owns."
        ) from None
    return stack
