"""A backup restores everything that was written before it, and nothing else is restored in its place."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pyrage
import pytest
from kafka import KafkaProducer

from local_stack.backup import database, keys, objects, pause
from local_stack.backup.create import add_wal, create_backup
from local_stack.backup.manifest import Manifest, backup_folders, find_backup, write_manifest
from local_stack.backup.place import WAL, Retention, exclusive, prune
from local_stack.backup.recovery import recover, running
from local_stack.backup.restore import check_empty, restore_backup, verify_files
from local_stack.backup.stored_files import DamagedFileError, read_identities
from local_stack.errors import StackError
from local_stack.servers.kafka_client import admin_options, create_topics
from local_stack.servers.postgres import postgres
from local_stack.servers.seaweed import s3_client
from local_stack.stack import BUCKETS, ERASURES_FILE_NAME, SECRETS_FILE_NAME, Stack, open_stack, write_private_file
from neighborconnect.settings import Settings
from tests.conftest import folder_for_servers, offset_for_tests

TOPIC = "backup.test"


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A backup, its age identity, and a time after it at which the second of three notes was written."""

    place: Path
    manifest: Manifest
    identity: Path
    second_note_at: datetime

    @property
    def folder(self) -> Path:
        return self.place / self.manifest.name


def write_note(settings: Settings, text: str) -> None:
    with psycopg.connect(settings.database_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS backup_notes (text text)")
        connection.execute("INSERT INTO backup_notes VALUES (%s)", (text,))


@pytest.fixture(scope="module")
def backed_up(servers: Stack, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackedUp]:
    """An encrypted backup of the session's servers with a row, an object and an event of its own."""
    identity = pyrage.x25519.Identity.generate()
    folder = tmp_path_factory.mktemp("backup")
    (folder / "identity.txt").write_text(f"# created for a test\n{identity}\n")
    write_note(settings, "first")
    s3_client(servers).put_object("media", "backup/note", io.BytesIO(b"an upload"), 9, content_type="image/webp")
    create_topics(admin_options(servers), names=(TOPIC,), partitions=1)
    producer = KafkaProducer(**admin_options(servers), acks="all")
    producer.send(TOPIC, b"an event").get(30)
    producer.close()
    place = folder / "backups"
    (place / "20000101T000000Z.part").mkdir(mode=0o700, parents=True)
    manifest = create_backup(servers, place, recipients=[str(identity.to_public())]).manifest
    write_note(settings, "second")
    second_note_at = datetime.now(UTC)
    write_note(settings, "third")
    add_wal(servers, place, recipients=manifest.recipients)
    try:
        yield BackedUp(place, manifest, folder / "identity.txt", second_note_at)
    finally:
        with psycopg.connect(settings.database_url) as connection:
            connection.execute("DROP TABLE backup_notes")
        s3_client(servers).remove_object("media", "backup/note")


@pytest.fixture
def home(server_processes: None) -> Iterator[Path]:
    with folder_for_servers() as folder:
        yield folder / "home"


def test_a_backup_is_private_and_sweeps_interrupted_ones(backed_up: BackedUp) -> None:
    assert [path for path in backed_up.place.rglob("*") if path.stat().st_mode & 0o077] == []
    assert backup_folders(backed_up.place) == [backed_up.folder]
    assert list(backed_up.place.glob("*.part")) == []
    assert backed_up.manifest.broker.end_offsets[f"{TOPIC}:0"] == 1
    assert backed_up.manifest.buckets["media"].objects >= 1
    assert backed_up.manifest.database.tables["neighborconnect.public.backup_notes"].rows == 1


def test_a_restored_home_equals_the_backup(servers: Stack, backed_up: BackedUp, home: Path) -> None:
    findings = restore_backup(
        backed_up.place,
        backed_up.folder,
        home,
        secrets=servers.secrets,
        identities=read_identities(backed_up.identity),
        offset=offset_for_tests(start=8_000),
    )
    assert [each for each in findings if not each.is_equal] == []
    assert {each.part.split(",")[0] for each in findings} >= {"PostgreSQL", "bucket media", "kafka"}
    assert (home / ERASURES_FILE_NAME).exists()
    with pytest.raises(StackError, match="needs an empty folder"):
        check_empty(home)


def test_transactions_are_restored_until_a_point_in_time(servers: Stack, backed_up: BackedUp, home: Path) -> None:
    home.mkdir()
    write_private_file(home / SECRETS_FILE_NAME, (servers.home / SECRETS_FILE_NAME).read_text())
    stack = open_stack(folder=home, offset=offset_for_tests(start=8_000))
    wal = backed_up.place / WAL / backed_up.manifest.database.archive
    recover(
        stack,
        backed_up.folder,
        wal,
        backed_up.manifest,
        identities=read_identities(backed_up.identity),
        until=backed_up.second_note_at,
    )
    with (
        running(postgres(stack), stack),
        psycopg.connect(stack.database_url("neighborconnect")) as connection,
    ):
        assert connection.execute("SELECT text FROM backup_notes").fetchall() == [("first",), ("second",)]


def test_a_changed_byte_of_any_file_is_detected(backed_up: BackedUp) -> None:
    content = objects.content_path(backed_up.place, objects.read_references(backed_up.folder)[0])
    for path in (backed_up.folder / backed_up.manifest.files[0].name, content):
        original = path.read_bytes()
        path.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
        with pytest.raises(DamagedFileError, match=path.name):
            verify_files(backed_up.place, backed_up.folder, backed_up.manifest)
        path.write_bytes(original)
    verify_files(backed_up.place, backed_up.folder, backed_up.manifest)


def test_wrong_keys_and_identities_are_refused(servers: Stack, backed_up: BackedUp, tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"not the keys of backup .*: personal_data differ"):
        keys.check_keys(backed_up.manifest, servers.secrets | {"personal_data": "other"})
    # A rotated key comes first; the old one stays in the list.
    keys.check_keys(backed_up.manifest, servers.secrets | {"personal_data": f"new,{servers.secrets['personal_data']}"})
    [listing] = backed_up.folder.glob(f"{objects.LISTING}*")
    with pytest.raises(DamagedFileError, match="No matching keys"):
        objects.read_listing(listing, identities=[pyrage.x25519.Identity.generate()])
    with pytest.raises(DamagedFileError, match="--identity"):
        objects.read_listing(listing, identities=[])

    file, own = tmp_path / "keys.age", read_identities(backed_up.identity)
    with pytest.raises(StackError, match="12 characters"):
        keys.write_keys(servers, file, passphrase="short", recipients=[])
    keys.write_keys(servers, file, passphrase=None, recipients=[own[0].to_public()])
    assert keys.read_keys(file, passphrase=None, identities=own) == servers.secrets
    assert servers.secrets["personal_data"].encode() not in file.read_bytes()
    assert not keys.needs_passphrase(file)


def test_a_restore_without_the_identity_writes_nothing(servers: Stack, backed_up: BackedUp, home: Path) -> None:
    offset = offset_for_tests(start=8_000)
    with pytest.raises(DamagedFileError, match="--identity"):
        restore_backup(backed_up.place, backed_up.folder, home, secrets=servers.secrets, identities=[], offset=offset)
    assert not home.exists()


def test_an_unchanged_object_is_not_copied_again(servers: Stack, backed_up: BackedUp) -> None:
    recipients = [read_identities(backed_up.identity)[0].to_public()]
    s3_client(servers).put_object("media", "backup/new", io.BytesIO(b"new"), 3)
    listed = objects.list_objects(servers, BUCKETS)
    s3_client(servers).remove_object("media", "backup/new")
    again = objects.copy_objects(
        servers, backed_up.place, listed, recipients=recipients, recipient_names=backed_up.manifest.recipients
    )
    assert again.new_bytes == 0
    assert again.buckets["media"].deleted_meanwhile == ["backup/new"]


def test_a_full_disk_leaves_no_backup(servers: Stack, backed_up: BackedUp, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(database, "store", full)
    with pytest.raises(StackError, match="is full"):
        create_backup(servers, backed_up.place)
    assert [path.name for path in backed_up.place.iterdir() if path.name.startswith("2")] == [backed_up.manifest.name]


def test_a_second_command_is_refused(servers: Stack, backed_up: BackedUp, tmp_path: Path) -> None:
    with exclusive(backed_up.place), pytest.raises(StackError, match="Another backup or restore"):
        add_wal(servers, backed_up.place)
    with exclusive(tmp_path, home=servers.home), pytest.raises(StackError, match="Another backup or restore"):
        add_wal(servers, backed_up.place)


def test_retention_deletes_what_only_old_backups_need(backed_up: BackedUp, tmp_path: Path) -> None:
    now, manifest = backed_up.manifest.created_at, backed_up.manifest
    for days in (30, 20, 1):
        moment = now - timedelta(days=days)
        each = manifest.model_copy(update={"name": f"{moment:%Y%m%dT%H%M%SZ}", "created_at": moment})
        (tmp_path / each.name).mkdir()
        (tmp_path / each.name / objects.REFERENCES).write_text(f"{days:02}\n")
        objects.content_path(tmp_path, f"{days:02}").parent.mkdir(parents=True)
        objects.content_path(tmp_path, f"{days:02}").write_bytes(b"content")
        write_manifest(tmp_path / each.name, each)
    pruned = prune(tmp_path, Retention(keep=2))
    assert (len(pruned.names), pruned.bytes) == (1, 7)
    assert not objects.content_path(tmp_path, "30").exists()
    assert len(prune(tmp_path, Retention(days=7)).names) == 1
    assert find_backup(tmp_path, "latest").name == f"{now - timedelta(days=1):%Y%m%dT%H%M%SZ}"


def test_a_killed_backup_does_not_leave_the_broker_stopped(servers: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr(pause, "request_services", lambda _stack, names: started.append(names))
    pause.watch(servers.home, ("kafka", "relay"), io.BytesIO(b"done\n"))
    assert started == []
    pause.watch(servers.home, ("kafka", "relay"), io.BytesIO(b""))
    assert started == [("kafka", "relay")]
