"""Keeps one server process alive exactly as long as the process that started this script.

Run as a script, with the standard library only: `python keeper.py UID:GID COMMAND …`. The starter
holds the other end of our standard input. When that closes, by its will or by its death, the
server gets a fast shutdown. A group of its own keeps the terminal's Ctrl-C away from the server.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading

# A server that ignores a polite signal gets the next one after so many seconds.
STOPS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 3.0))

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


def main(owner: str, command: list[str]) -> int:
    """Run `command` as `owner` (`uid:gid`, or empty for whoever we are) until we are alone."""
    if owner:
        _become(*(int(number) for number in owner.split(":")))
    # The fork happens while this process has one thread, so running Python in it is safe.
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)  # noqa: S603,PLW1509
    threading.Thread(target=_stop_when_alone, args=(server,), daemon=True).start()
    return server.wait()


def _become(uid: int, gid: int) -> None:
    """Stop being root, which PostgreSQL refuses, but keep reaching our own folders.

    Those often lie below one that only root may enter (`/root`). Keeping the one capability to
    pass by leaves every folder's mode as it is.
    """
    linux = sys.platform == "linux"
    if linux:
        _prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if linux:
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        bit = 1 << CAP_DAC_OVERRIDE
        sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
        if ctypes.CDLL(None).capset(header, sets) == 0:
            _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE)


def _die_with_parent() -> None:
    """In the server, before it starts: a fast shutdown even if this script is killed."""
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _prctl(option: int, value: int, more: int = 0) -> None:
    ctypes.CDLL(None).prctl(option, value, more, 0, 0)


def _stop_when_alone(server: subprocess.Popen[bytes]) -> None:
    while os.read(0, 1024):
        pass
    for number, patience_s in STOPS:
        server.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(patience_s)
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
