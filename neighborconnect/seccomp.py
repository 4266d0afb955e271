"""Linux seccomp filter that denies a process the network, other programs and other processes, irrevocably."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import sys

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_X32 = 0x40000000

# By machine: audit architecture, system call number of ``seccomp``, and the denied system calls. ``socketpair`` is
# allowed because it connects only to itself.
_COMMON = (425, 426, 427, 434, 438)  # io_uring_setup, _enter, _register; pidfd_open, pidfd_getfd
_TABLES: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "x86_64": (
        0xC000003E,
        317,
        # socket, connect, accept, bind, listen, accept4; execve, execveat; ptrace, process_vm_readv and _writev;
        # unshare, setns, mount; bpf, userfaultfd, add_key, request_key, keyctl, perf_event_open
        (41, 42, 43, 49, 50, 288, 59, 322, 101, 310, 311, 272, 308, 165, 321, 323, 248, 249, 250, 298),
    ),
    "aarch64": (
        0xC00000B7,
        277,
        (198, 203, 202, 200, 201, 242, 221, 281, 117, 270, 271, 97, 268, 40, 280, 282, 217, 218, 219, 241),
    ),
}


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def die_with_parent() -> None:
    """Have the operating system kill this process when its parent ends for any reason."""
    if sys.platform == "linux":
        _check(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


def drop_privileges() -> bool:
    """Deny network, programs and other processes to all threads of this process, irrevocably.

    Returns:
        False on an unsupported system: not Linux, or another processor architecture.

    Raises:
        OSError: the operating system rejects the filter.
    """
    table = _TABLES.get(platform.machine()) if sys.platform == "linux" else None
    if table is None:
        return False
    architecture, seccomp, denied = table
    program = _program(architecture, (*denied, *_COMMON))
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _check(libc.syscall(seccomp, _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(program)))
    return True


def _program(architecture: int, denied: tuple[int, ...]) -> _Program:
    count = len(denied)
    deny = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, architecture),
        deny,
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, count + 1, 0, _X32),
        *((_EQUAL, count - index, 0, call) for index, call in enumerate(denied)),
        (_RETURN, 0, 0, _ALLOW),
        deny,
    ]
    instructions = (_Instruction * len(steps))(*(_Instruction(*step) for step in steps))
    return _Program(len(steps), instructions)


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
