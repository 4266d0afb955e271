"""One stack: its folder, ports, secrets, and the environment that its processes get."""

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

from neighborconnect.settings import ENV_FILE_NAME, home
from neighborconnect.stack.accounts import close_to_others
from neighborconnect.stack.errors import StackError
from neighborconnect.stack.kafka_principals import ADMIN, PRINCIPALS
from neighborconnect.stack.ports import HOST, OFFSETS, OFFSETS_IN_WORDS, Ports

DATABASES = ("neighborconnect", "warehouse", "mlflow", "dagster", "feast")
SECRETS_FILE_NAME = "secrets.json"
BROKER_FILE_NAME = "broker"
BUCKETS = ("media", "lake", "mlflow", "audit")
OFFSET_VARIABLE = "NEIGHBORCONNECT_PORT_OFFSET"
_LONGEST_SOCKET = 100
_SECRET_NAMES = (
    "postgres",
    *DATABASES,
    "redis",
    "s3_access",
    "s3_secret",
    "jwt",
    "kafka_cluster",
    *(f"kafka_{principal}" for principal in PRINCIPALS),
    "personal_data",
    "platform",
    "audit",
    "mlflow_token",
    "operator",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One embedded stack.

    Attributes:
        home: absolute folder that holds all of its data, logs and secrets.
        ports: where it listens.
        secrets: generated passwords by name; PostgreSQL has one a database, beside the superuser's ``postgres``.
    """

    home: Path
    ports: Ports
    secrets: dict[str, str]

    @property
    def logs(self) -> Path:
        """Folder of the processes' output, one file a process."""
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """Folder of what is known about running processes."""
        return self.home / "run"

    @property
    def env_file(self) -> Path:
        """The settings that every part of the platform reads."""
        return self.home / ENV_FILE_NAME

    @property
    def dagster_code_socket(self) -> Path:
        """Socket of the process that runs the pipelines for Dagster; a short path, for the system limits its length."""
        path = self.run / "dagster" / "code.sock"
        if len(os.fsencode(path)) <= _LONGEST_SOCKET:
            return path
        name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(tempfile.gettempdir(), f"neighborconnect-{os.geteuid()}-{name}", "code.sock")

    def database_url(self, database: str, *, superuser: bool = False) -> str:
        """Return the URL of a database for the role that owns it, or for the superuser."""
        role = "postgres" if superuser else database
        return f"postgresql://{role}:{self.secrets[role]}@{HOST}:{self.ports.postgres}/{database}"

    def redis_url(self, database: int) -> str:
        """Return the URL of one numbered Redis database."""
        return f"redis://:{self.secrets['redis']}@{HOST}:{self.ports.redis}/{database}"

    def kafka_credentials(self, principal: str | None) -> dict[str, str]:
        """Return the settings with which a process connects to Kafka as ``principal``; none can connect as None."""
        mark = self.home / BROKER_FILE_NAME
        if mark.exists() and mark.read_text(encoding="utf-8").strip() == "tansu":
            # Tansu knows neither principals nor grants.
            return {"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT", "KAFKA_USERNAME": "", "KAFKA_PASSWORD": ""}
        return {
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_USERNAME": principal or "",
            "KAFKA_PASSWORD": self.secrets[f"kafka_{principal}"] if principal else "",
        }

    @property
    def settings(self) -> dict[str, str]:
        """Every setting that follows from this stack, by environment name."""
        return {
            "NEIGHBORCONNECT_PROFILE": "embedded",
            "NEIGHBORCONNECT_HOME": str(self.home),
            "NEIGHBORCONNECT_PORT_OFFSET": str(self.ports.offset),
            "DATABASE_URL": self.database_url("neighborconnect"),
            "WAREHOUSE_URL": self.database_url("warehouse"),
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
            "API_LISTEN": f"{HOST}:{self.ports.api}",
            "MLFLOW_LISTEN": f"{HOST}:{self.ports.mlflow}",
            "DAGSTER_LISTEN": f"{HOST}:{self.ports.dagster}",
            "RECOMMENDATION_LISTEN": f"{HOST}:{self.ports.recommendation}",
            "CONTENT_LISTEN": f"{HOST}:{self.ports.content}",
            "MATCHING_LISTEN": f"{HOST}:{self.ports.matching}",
            "IMAGE_LISTEN": f"{HOST}:{self.ports.image}",
            "VIDEO_LISTEN": f"{HOST}:{self.ports.video}",
            "JWT_SECRET": self.secrets["jwt"],
            "PERSONAL_DATA_KEYS": self.secrets["personal_data"],
            "PLATFORM_TOKEN": self.secrets["platform"],
            "AUDIT_KEY": self.secrets["audit"],
            "MLFLOW_TRACKING_TOKEN": self.secrets["mlflow_token"],
            "OPERATOR_PASSWORD": self.secrets["operator"],
            **{name: os.environ.get(name) or value for name, value in self._defaults.items()},
        }

    @property
    def _defaults(self) -> dict[str, str]:
        """Settings that the shell may set otherwise."""
        return {
            # Links in letters lead here.
            "PUBLIC_URL": f"http://localhost:{self.ports.api}",
            # Everybody who uses an embedded stack shares one network: this machine.
            "RATE_LIMIT_REGISTRATIONS": "1000/hour",
            "RATE_LIMIT_LETTERS": "2000/hour",
        }


def shell_offset() -> int | None:
    """Return ``NEIGHBORCONNECT_PORT_OFFSET`` of the environment; None where it is not set.

    Raises:
        StackError: when it is not one of the offsets at which two stacks cannot share a port.
    """
    raw = os.environ.get(OFFSET_VARIABLE)
    if not raw:
        return None
    if not raw.isdecimal() or int(raw) not in OFFSETS:
        raise StackError(f"{OFFSET_VARIABLE} is {raw!r}; give it {OFFSETS_IN_WORDS}: there two stacks share no port.")
    return int(raw)


def recorded_offset(folder: Path) -> int | None:
    """Return the offset that a home uses since its first start; None for a new home."""
    raw = dotenv_values(folder / ENV_FILE_NAME).get(OFFSET_VARIABLE) if (folder / ENV_FILE_NAME).exists() else None
    return int(raw) if raw and raw.isdecimal() else None


def _offset_of(folder: Path, *, wanted: int | None) -> int:
    recorded = recorded_offset(folder)
    if recorded is None:
        return wanted or 0
    problem, other = "", str(wanted)
    if wanted is not None and wanted != recorded:
        problem = f"and {OFFSET_VARIABLE} is {wanted}: unset that, or"
    elif recorded not in OFFSETS:
        problem, other = "at which it can share ports with another stack:", "OFFSET"
    if problem:
        move = f"stop it and move it with `neighborconnect down && neighborconnect ports {other}`"
        raise StackError(f"{folder} uses port offset {recorded}, {problem} {move}.")
    return recorded


def prepare_socket(path: Path) -> None:
    """Make the folder of a socket, for its owner alone, and remove what an earlier process left there.

    Raises:
        StackError: when the folder is somebody else's.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.parent.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise StackError(f"{path.parent} belongs to somebody else; remove it, or set TMPDIR to a folder of your own.")
    path.parent.chmod(0o700)
    path.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically with one that only its owner can read."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _read_secrets(path: Path) -> dict[str, str]:
    secrets_by_name: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return secrets_by_name


def _complete_secrets(path: Path) -> dict[str, str]:
    present = _read_secrets(path)
    missing = [name for name in _SECRET_NAMES if name not in present]
    if missing:
        present |= {name: secrets.token_hex(24) for name in missing}
        write_private(path, json.dumps(present, indent=1))
    return present


def stack_exists() -> bool:
    """Whether the home was ever used."""
    return (home() / SECRETS_FILE_NAME).exists()


def read_stack(folder: Path | None = None) -> Stack:
    """Return the stack of a home that exists, and change nothing there; the environment's offset does not count.

    Secrets that a newer version needs and the home does not have yet are empty.
    """
    folder = (folder or home()).absolute()
    present = _read_secrets(folder / SECRETS_FILE_NAME)
    return Stack(
        home=folder,
        ports=Ports(recorded_offset(folder) or 0),
        secrets=dict.fromkeys(_SECRET_NAMES, "") | present,
    )


def open_stack(*, folder: Path | None = None, offset: int | None = None, move: bool = False) -> Stack:
    """Open the stack of a home in order to start it; makes folders, passwords and ``stack.env`` where they are missing.

    The first call decides the offset of the home's ports: ``offset``, else the environment's, else 0.

    Args:
        folder: the home; the environment's if None.
        offset: of the ports.
        move: replace the offset of the home by ``offset``.

    Raises:
        StackError: when the folder cannot be written, or when the home uses another offset than the one asked for.
    """
    folder = (folder or home()).absolute()
    wanted = shell_offset() if offset is None else offset
    try:
        used = offset if move and offset is not None else _offset_of(folder, wanted=wanted)
        for path in (folder, folder / "logs", folder / "run"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        close_to_others(folder)
        stack = Stack(home=folder, ports=Ports(used), secrets=_complete_secrets(folder / SECRETS_FILE_NAME))
        text = "".join(f"{name}={value}\n" for name, value in stack.settings.items())
        if not stack.env_file.exists() or stack.env_file.read_text(encoding="utf-8") != text:
            write_private(stack.env_file, text)
    except OSError as error:
        raise StackError(
            f"{folder} cannot be used ({error.strerror}); give this user write permission on it or "
            "set NEIGHBORCONNECT_HOME to a folder that it owns."
        ) from None
    return stack
