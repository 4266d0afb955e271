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


def _may_pass(path: Path, *, user: str) -> bool:
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
    if user is None or _may_pass(home, user=user):
        return home
    folder = _ELSEWHERE / hashlib.sha256(str(home).encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    return folder


def own(path: Path, *, user: str | None) -> None:
    """Make ``path`` and all below it belong to ``user``."""
    if user is None:
        return
    account = pwd.getpwnam(user)
    os.chown(path, account.pw_uid, account.pw_gid)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, account.pw_uid, account.pw_gid, follow_symlinks=False)


def reachable_copy(tree: Path, *, user: str | None, into: Path) -> Path:
    """Return ``tree`` where ``user`` can read it, else a copy of it below ``into``."""
    if user is None or _may_pass(tree, user=user):
        return tree
    copy = into / tree.name
    if not copy.exists():
        part = copy.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(tree, part, symlinks=True)
        part.rename(copy)
    return copy
