"""Running a server as an unprivileged user, where it refuses to run as root."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
from pathlib import Path
from typing import Any

UNPRIVILEGED = "nobody"
_ELSEWHERE = Path("/var/lib/neighborconnect")


def account_for_unprivileged() -> str | None:
    """Return the user to step down to; None when this process is not root and stays what it is."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


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
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o711)


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
