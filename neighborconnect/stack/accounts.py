"""Running a server as an unprivileged user, where it refuses to run as root."""

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

DATABASE_USER = "neighborconnect-db"
# Where no system user can be created. Other services of the machine may run as this user and read what it owns.
_SHARED_USER = "nobody"
_ELSEWHERE = Path("/var/lib/neighborconnect")


@cache
def account_for_unprivileged() -> str | None:
    """Return the user to step down to, created where it is missing; None when this process is not root."""
    if os.geteuid() != 0:
        return None
    return DATABASE_USER if _exists(DATABASE_USER) or _create(DATABASE_USER) else _SHARED_USER


def _exists(user: str) -> bool:
    return any(account.pw_name == user for account in pwd.getpwall())


def _create(user: str) -> bool:
    """Create a system user that nobody can log in as; return whether it exists now."""
    if (program := shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")) is None:
        return False
    options = ("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent")
    command = (program, *options, "--shell", "/usr/sbin/nologin", user)
    subprocess.run(command, capture_output=True, check=False)
    return _exists(user)


def close_to_others(home: Path) -> None:
    """Take every right on a home, and on what lies directly in it, from other accounts.

    The database's user passes through the home, whose group it is, and can list nothing.
    """
    user = account_for_unprivileged()
    mode = 0o700
    if user is not None:
        os.chown(home, -1, pwd.getpwnam(user).pw_gid)
        mode = 0o710
    home.chmod(mode)
    for path in home.iterdir():
        status = path.lstat()
        # A file may vanish meanwhile: processes replace theirs.
        if status.st_mode & 0o077 and not stat.S_ISLNK(status.st_mode):
            with contextlib.suppress(FileNotFoundError):
                path.chmod(stat.S_IMODE(status.st_mode) & 0o700)


def identity(user: str | None) -> dict[str, Any]:
    """Return what ``subprocess.Popen`` needs to run as ``user``; nothing for the present user."""
    return {} if user is None else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def may_pass(path: Path, *, user: str) -> bool:
    """Whether ``user`` may enter every folder from the root to ``path``."""
    account = pwd.getpwnam(user)
    for folder in (path, *path.parents):
        status = folder.stat()
        owner, group = status.st_uid == account.pw_uid, status.st_gid == account.pw_gid
        needed = stat.S_IXUSR if owner else stat.S_IXGRP if group else stat.S_IXOTH
        if not status.st_mode & needed:
            return False
    return True


def folder_for(user: str | None, *, home: Path) -> Path:
    """Return a folder that ``user`` can reach: the home, else one below /var/lib that belongs to this home alone.

    Root's own home folder is closed to everyone else, so a clone there cannot hold another user's data.
    """
    if user is None or may_pass(home, user=user):
        return home
    return _ELSEWHERE / hashlib.sha256(str(home).encode()).hexdigest()[:12]


def make_passable(folder: Path) -> None:
    """Make a folder that everyone may enter and only its owner may list."""
    for path in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        path.mkdir()
        path.chmod(0o711)


def own(path: Path, *, user: str | None) -> None:
    """Make ``path`` and all below it belong to ``user``."""
    if user is None:
        return
    account = pwd.getpwnam(user)
    os.chown(path, account.pw_uid, account.pw_gid)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, account.pw_uid, account.pw_gid, follow_symlinks=False)


def copy_tree(tree: Path, copy: Path) -> None:
    """Copy a tree once; half a copy is never taken for a whole one."""
    if copy.exists():
        return
    part = copy.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(tree, part, symlinks=True)
    part.rename(copy)
