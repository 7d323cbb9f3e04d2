"""The operating system's walls around one worker. Each function says whether its wall stands.

Nothing here needs root. A wall that the machine does not offer is left out, and the others hold:
the engine's own locks are inside, the parent's clock and SIGKILL outside.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

LINUX = sys.platform == "linux"

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000

# The same numbers on every architecture.
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446
LANDLOCK_VERSION = 1
# Rights over files and folders that each version of the interface can take away.
LANDLOCK_FILES = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
LANDLOCK_WITH_NETWORK, LANDLOCK_WITH_SCOPES = 4, 6

NICENESS = 5


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def die_with(parent: int) -> bool:
    """Be killed when the thread of `parent` that started us ends."""
    stands = _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it had already ended before we asked
    return stands


def keep_low() -> bool:
    """Gain no rights, leave no core dump, give way to everybody else."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    return _prctl(PR_SET_NO_NEW_PRIVS, 1) and _prctl(PR_SET_DUMPABLE, 0)


def leave_network() -> bool:
    """Move into an empty network. The process must have one thread."""
    if not LINUX:
        return False
    alone = CLONE_NEWNET if os.geteuid() == 0 else CLONE_NEWUSER | CLONE_NEWNET
    return bool(_libc().unshare(alone) == 0)


def limit_memory(bytes_max: int) -> bool:
    """No more address space than this."""
    return _limit(resource.RLIMIT_AS, bytes_max)


def limit_cpu(seconds: int) -> bool:
    """No more processor time than this; the parent's clock usually comes first."""
    return _limit(resource.RLIMIT_CPU, seconds)


def write_nothing() -> bool:
    """No file may grow."""
    return _limit(resource.RLIMIT_FSIZE, 0)


def open_nothing() -> bool:
    """No new file, pipe or socket: the descriptors open now are all there will be."""
    return _limit(resource.RLIMIT_NOFILE, 0)


def start_nothing() -> bool:
    """No new process or thread (root excepted)."""
    return _limit(resource.RLIMIT_NPROC, 0)


def touch_nothing() -> bool:
    """Take away every path, port and signal this kernel lets a process give up (Landlock).

    It binds the calling thread and those it starts, so the process must have one thread.
    """
    if not LINUX or threads() != 1:
        return False
    version = _libc().syscall(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_VERSION)
    if version < 1:
        return False
    ruleset = _Ruleset(
        handled_access_fs=(1 << LANDLOCK_FILES.get(version, LANDLOCK_FILES[5])) - 1,
        handled_access_net=0b11 if version >= LANDLOCK_WITH_NETWORK else 0,
        scoped=0b11 if version >= LANDLOCK_WITH_SCOPES else 0,
    )
    size = ctypes.sizeof(_Ruleset) if version >= LANDLOCK_WITH_SCOPES else 8
    if version in (LANDLOCK_WITH_NETWORK, LANDLOCK_WITH_NETWORK + 1):
        size = 16
    handle = _libc().syscall(LANDLOCK_CREATE_RULESET, ctypes.byref(ruleset), size, 0)
    if handle < 0:
        return False
    stands = _libc().syscall(LANDLOCK_RESTRICT_SELF, handle, 0) == 0
    os.close(handle)
    return bool(stands)


def threads() -> int:
    """How many threads this process has (Linux)."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def _limit(which: int, value: int) -> bool:
    try:
        resource.setrlimit(which, (value, value))
    except (OSError, ValueError):
        return False
    return True


def _prctl(option: int, value: int) -> bool:
    return LINUX and bool(_libc().prctl(option, value, 0, 0, 0) == 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
