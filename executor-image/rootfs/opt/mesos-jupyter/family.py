"""All descendants of this process: found, stopped, continued and killed, wherever they hid.

A process in a session of its own, a daemon, an orphan: each has a parent, and this process is the subreaper to which orphans
fall, so that every chain of parents leads here. /proc is read, since Docker gives a container no cgroup of its own to freeze.
"""

import os
import signal
from typing import NamedTuple


class Process(NamedTuple):
    pid: int
    parent: int
    # As in /proc/PID/stat: R runs, S sleeps, D waits where no signal reaches it, T is stopped, t is traced, Z is dead.
    state: str
    threads: int
    # In clock ticks since boot: tells a process from a later one with the same pid.
    started: int


def parse_stat(stat: bytes) -> Process:
    """One line of /proc/PID/stat. The command's name, in parentheses, may hold anything, parentheses too."""
    rest = stat[stat.rindex(b")") + 2 :].split()
    return Process(
        int(stat[: stat.index(b" ")]), int(rest[1]), rest[0].decode(), int(rest[17]), int(rest[19])
    )


def read_stat(path: str) -> Process | None:
    """None when the process, or the thread, is gone."""
    try:
        with open(path, "rb", buffering=0) as file:
            return parse_stat(file.read(4096))
    except (OSError, ValueError):
        return None


class Family(NamedTuple):
    # Parents before their children.
    members: list[Process]
    # Whether something ended while /proc was read: a child of it may not have been found.
    torn: bool


def find(root: int) -> Family:
    torn = False
    children: dict[int, list[Process]] = {}
    seen = {0}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        process = read_stat(f"/proc/{name}/stat")
        if process is None:
            torn = True
        else:
            seen.add(process.pid)
            children.setdefault(process.parent, []).append(process)
    members = list(children.get(root, []))
    for process in members:
        members.extend(children.get(process.pid, []))
    return Family(members, torn or not seen.issuperset(children))


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def is_dead(process: Process) -> bool:
    """A process whose first thread has ended lives on as long as it has others."""
    return process.state in "ZX" and process.threads <= 1


class Descendants:
    """What is done to them goes by rounds of a few ms, each of which reaches what the former ones missed."""

    def __init__(self) -> None:
        self._root = os.getpid()
        # Those that got SIGSTOP since the freezing began, and those that others had stopped before: (pid, started).
        self._told: set[tuple[int, int]] = set()
        self._stopped_before: set[tuple[int, int]] | None = None
        self._clean_rounds = 0
        self._killed: set[tuple[int, int]] = set()

    def stop_round(self) -> bool:
        """Stops what runs. True when nothing can run any more.

        That is: two rounds in a row, with nothing missed in either, found each of them stopped, or in the kernel with SIGSTOP
        pending. One is not enough: while it went on, a process may have forked and been stopped afterwards.
        """
        family = find(self._root)
        living = [process for process in family.members if not is_dead(process)]
        if self._stopped_before is None:
            self._stopped_before = {(p.pid, p.started) for p in living if p.state == "T"}
        running = [process for process in living if not self._is_still(process)]
        for process in running:
            send(process.pid, signal.SIGSTOP)
            self._told.add((process.pid, process.started))
        self._clean_rounds = 0 if running or family.torn else self._clean_rounds + 1
        return self._clean_rounds >= 2

    def _is_still(self, process: Process) -> bool:
        if process.state in "Tt":
            return True
        told = (process.pid, process.started) in self._told
        if process.state == "D":
            return told
        if process.state == "Z":
            try:
                threads = os.listdir(f"/proc/{process.pid}/task")
            except OSError:
                return False
            states = (read_stat(f"/proc/{process.pid}/task/{thread}/stat") for thread in threads)
            return told and all(thread is None or thread.state in "TtDZX" for thread in states)
        return False

    def go_on(self) -> None:
        """Continues all that was stopped here. Children first: a shell must not see a child of its own stopped."""
        for process in reversed(find(self._root).members):
            if (process.pid, process.started) not in (self._stopped_before or ()):
                send(process.pid, signal.SIGCONT)
        self._told = set()
        self._stopped_before = None
        self._clean_rounds = 0

    def kill_round(self) -> bool:
        """Kills all. True when what is left was killed in an earlier round and waits in the kernel: it will not run again."""
        living = [process for process in find(self._root).members if not is_dead(process)]
        # Stopped first, so that none forks while others are being killed.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in living:
                send(process.pid, number)
        killed_before = self._killed
        self._killed = {(process.pid, process.started) for process in living}
        return all(process.state == "D" for process in living) and self._killed <= killed_before
