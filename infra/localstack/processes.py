"""Processes that this program started, also through others, and their end.

MiniStack runs every function as a process of its own, and these outlive it. They are found as descendants of this
program, never by their names.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Makes descendants whose parent dies children of this process instead of the system's first one.

    Only Linux can do this. Elsewhere `end_all` knows only those that were there before their parent died.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def parents() -> dict[int, int]:
    """Every running process and its parent."""
    if not os.path.isdir("/proc/self"):
        listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
        return {int(pid): int(parent) for pid, parent in (line.split() for line in listing.stdout.splitlines())}
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as stat:
            # The command before the last parenthesis may contain anything.
            state, parent = stat.read().rpartition(")")[2].split()[:2]
            if state != "Z":
                found[int(name)] = int(parent)
    return found


def descendants() -> set[int]:
    """The processes that descend from this one."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    to_visit = [os.getpid()]
    while to_visit:
        new = [pid for pid in children.get(to_visit.pop(), []) if pid not in found]
        found.update(new)
        to_visit.extend(new)
    return found


def end(process: subprocess.Popen[bytes], patience: float = 10) -> None:
    """Asks a process to stop, and kills it when it does not."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_all(patience: float = 10) -> None:
    """Kills every descendant. Some may start others meanwhile, so it looks until there is none."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        known = descendants()
        for pid in known:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not reap() and not known:
            return
        time.sleep(0.05)


def reap() -> bool:
    """Takes note of children that ended. Answers whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        return False
    return True
