"""Operating system users and file permissions: PostgreSQL refuses to run as root."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

DATABASE_OS_USER = "neighborconnect-db"
# Used if no system user can be created. Other services of the machine may run as this user and read its files.
_FALLBACK_USER = "nobody"
_SYSTEM_DATA_FOLDER = Path("/var/lib/neighborconnect")


@cache
def unprivileged_user() -> str | None:
    """Return the unprivileged user for servers, creating it if missing; None when this process is not root."""
    if os.geteuid() != 0:
        return None
    return DATABASE_OS_USER if _exists(DATABASE_OS_USER) or _create(DATABASE_OS_USER) else _FALLBACK_USER


def _exists(user: str) -> bool:
    return any(account.pw_name == user for account in pwd.getpwall())


def _create(user: str) -> bool:
    """Create a system user without login; return whether it exists afterwards."""
    if (program := shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")) is None:
        return False
    options = ("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent")
    command = (program, *options, "--shell", "/usr/sbin/nologin", user)
    subprocess.run(command, capture_output=True, check=False)
    return _exists(user)


def restrict_to_owner(home: Path) -> None:
    """Remove all permissions of other users on a home and on its direct children.

    The database user is in the group of the home: it may traverse the home but not list it.
    """
    user = unprivileged_user()
    mode = 0o700
    if user is not None:
        os.chown(home, -1, pwd.getpwnam(user).pw_gid)
        mode = 0o710
    home.chmod(mode)
    for path in home.iterdir():
        status = path.lstat()
        # A process may replace its file between the listing and the chmod.
        if status.st_mode & 0o077 and not stat.S_ISLNK(status.st_mode):
            with contextlib.suppress(FileNotFoundError):
                path.chmod(stat.S_IMODE(status.st_mode) & 0o700)


def popen_user_options(user: str | None) -> dict[str, Any]:
    """Return the arguments with which ``subprocess.Popen`` runs as ``user``; empty for the current user."""
    return {} if user is None else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def can_traverse(path: Path, *, user: str) -> bool:
    """Return whether ``user`` may traverse every folder from the root to ``path``."""
    account = pwd.getpwnam(user)
    for folder in (path, *path.parents):
        status = folder.stat()
        owner, group = status.st_uid == account.pw_uid, status.st_gid == account.pw_gid
        needed = stat.S_IXUSR if owner else stat.S_IXGRP if group else stat.S_IXOTH
        if not status.st_mode & needed:
            return False
    return True


def data_folder_for(user: str | None, *, home: Path) -> Path:
    """Return a data folder that ``user`` can reach: the home, else a folder below /var/lib specific to this home.

    A clone in root's home folder, which other users cannot traverse, needs the second.
    """
    if user is None or can_traverse(home, user=user):
        return home
    return _SYSTEM_DATA_FOLDER / hashlib.sha256(str(home).encode()).hexdigest()[:12]


def make_traversable(folder: Path) -> None:
    """Create a folder that everyone may traverse and only its owner may list."""
    for path in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        path.mkdir()
        path.chmod(0o711)


def change_owner(path: Path, *, user: str | None) -> None:
    """Change the owner of ``path`` and everything below it to ``user``."""
    if user is None:
        return
    account = pwd.getpwnam(user)
    os.chown(path, account.pw_uid, account.pw_gid)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, account.pw_uid, account.pw_gid, follow_symlinks=False)


def copy_tree_once(tree: Path, copy: Path) -> None:
    """Copy a tree unless the copy exists; an interrupted copy is discarded."""
    if copy.exists():
        return
    part = copy.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(tree, part, symlinks=True)
    part.rename(copy)
