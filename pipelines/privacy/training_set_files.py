"""Training sets that were written to files, as one object per file in the lake's bucket.

The platform does not own these files and cannot change them. It stores their paths, each with the filter of the
influence ledger, so that an erasure can name the files that hold the user.
"""

from __future__ import annotations

import hashlib
import io
import socket
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import polars as pl
from minio import Minio

from feature_repo.schemas import USER_KEYS
from models.influence import InfluenceFilter
from neighborconnect.settings import Settings

PREFIX: Final = "training_set_files/"
_NAME: Final = "training_set"


def record_file(settings: Settings, path: Path, *, rows: pl.DataFrame) -> None:
    """Store the path of a training set, and the users in the keys of its rows, before the file is written."""
    users = {user for column in USER_KEYS if column in rows.columns for user in rows[column].drop_nulls()}
    location = f"{socket.gethostname()}:{path.resolve()}"
    digest = hashlib.sha256(location.encode()).hexdigest()
    data = InfluenceFilter.of(users, name=_NAME, model_version=location, run_id=digest).to_bytes()
    _client(settings).put_object(settings.s3_lake_bucket, f"{PREFIX}{digest}", io.BytesIO(data), len(data))


def files_with(settings: Settings, users: Collection[str]) -> Mapping[str, list[str]]:
    """Return the files, as ``host:path``, that were written with each of the users; others are left out."""
    files: dict[str, list[str]] = {}
    client = _client(settings)
    for item in client.list_objects(settings.s3_lake_bucket, prefix=PREFIX) if users else ():
        with client.get_object(settings.s3_lake_bucket, str(item.object_name)) as response:
            written = InfluenceFilter.from_bytes(response.read())
        for user_id in written.matches(users):
            files.setdefault(user_id, []).append(written.model_version)
    return files


def _client(settings: Settings) -> Minio:
    address = urlsplit(settings.s3_endpoint_url)
    return Minio(
        address.netloc,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=address.scheme == "https",
        region=settings.s3_region,
    )
