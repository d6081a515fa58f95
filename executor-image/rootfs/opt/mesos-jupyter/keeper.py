"""Runs Jupyter until a deadline, and freezes all that it started when the deadline passes with no newer one.

The node agent says what to do on standard input, a line a command; its end, or that of the pipe, is the end of all.

    run MS    Jupyter may run until MS on the boot clock: it is started, or goes on where it was frozen
    stop      Jupyter is asked to end, kernels and all
    kill      all of it is killed

What happens is told on descriptor 3, a line each: `started`, `frozen MS` (so long after the deadline), `continued`,
`ended STATUS`, and `stuck` (what is left was killed and waits in the kernel). This process ends when nothing is left.

It has its own timer and shares nothing with the node agent's event loop. The boot clock goes on while a host is suspended
or a container is paused, so that a deadline that passed meanwhile is seen at once.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

from family import Descendants, send

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
# A frozen family is looked at again as often: somebody outside may have continued one of them.
WATCH_EVERY_MS = 250
# Rounds without a pause. Processes outside that come and go all the time may keep any round from being certain.
HASTY_ROUNDS = 200
REPORTS = 3


def boot_clock_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def report(line: str) -> None:
    try:
        os.write(REPORTS, f"{line}\n".encode())
    except OSError:
        # The node agent is gone: the end of its pipe tells.
        pass


class Keeper:
    def __init__(self, command: list[str], warm: bool) -> None:
        self._command = command
        self._jupyter: subprocess.Popen[bytes] | None = None
        self._descendants = Descendants()
        # waiting → running ⇄ freezing, frozen → killing → gone
        self._phase = "waiting"
        self._deadline_ns = 0
        self._timer = os.timerfd_create(time.CLOCK_BOOTTIME, flags=os.TFD_CLOEXEC | os.TFD_NONBLOCK)
        self._input = b""
        self._rounds = 0
        self._is_stuck = False
        if warm:
            self._spawn()

    def _spawn(self) -> None:
        self._jupyter = subprocess.Popen(self._command, stdin=subprocess.PIPE)

    def run(self) -> None:
        wake, woken = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._kill())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        poll = select.poll()
        for file in (0, self._timer, wake):
            poll.register(file, select.POLLIN)
        while self._phase != "gone":
            for file, _ in poll.poll(self._patience_ms()):
                if file == 0:
                    self._listen(poll)
                else:
                    # A new deadline may have disarmed the timer meanwhile.
                    with contextlib.suppress(BlockingIOError):
                        os.read(file, 4096)
            self._reap()
            self._step()

    def _patience_ms(self) -> int | None:
        match self._phase:
            case "freezing":
                return 0 if self._rounds < HASTY_ROUNDS else 10
            case "killing":
                return 100 if self._is_stuck else 2
            case "frozen":
                return WATCH_EVERY_MS
            case _:
                return None

    def _listen(self, poll: select.poll) -> None:
        try:
            text = os.read(0, 65536)
        except OSError:
            text = b""
        if text == b"":
            poll.unregister(0)
            self._kill()
        *lines, self._input = (self._input + text).split(b"\n")
        for line in lines:
            match line.split():
                case [b"run", until]:
                    self._deadline_ns = int(until) * 1_000_000
                    os.timerfd_settime_ns(self._timer, flags=os.TFD_TIMER_ABSTIME, initial=self._deadline_ns)
                case [b"stop"]:
                    # Not by Popen, which would reap it here.
                    if self._jupyter is not None and self._jupyter.returncode is None:
                        send(self._jupyter.pid, signal.SIGTERM)
                case [b"kill"]:
                    self._kill()

    def _kill(self) -> None:
        if self._phase != "gone":
            self._phase = "killing"

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                pid, status = ended
                if self._jupyter is not None and pid == self._jupyter.pid:
                    self._jupyter.returncode = os.waitstatus_to_exitcode(status)
                    report(f"ended {self._jupyter.returncode}")
                    # Kernels without their server serve nobody.
                    self._kill()
            return
        # A subreaper that has no child has no descendant.
        if self._phase == "killing":
            self._phase = "gone"

    def _step(self) -> None:
        late_ns = boot_clock_ns() - self._deadline_ns
        match self._phase:
            case "waiting" if late_ns < 0:
                self._start()
            case "running" if late_ns >= 0:
                self._rounds = 0
                self._freeze("freezing")
            case "freezing" | "frozen" if late_ns < 0:
                self._descendants.go_on()
                self._phase = "running"
                report("continued")
            case "freezing" | "frozen":
                self._freeze(self._phase)
            case "killing":
                is_stuck = self._descendants.kill_round()
                if is_stuck and not self._is_stuck:
                    report("stuck")
                self._is_stuck = is_stuck

    def _start(self) -> None:
        if self._jupyter is None:
            self._spawn()
        self._phase = "running"
        report("started")
        try:
            self._jupyter.stdin.write(b"run\n")
            self._jupyter.stdin.close()
        except OSError:
            # It has ended, which is told when it is reaped.
            pass

    def _freeze(self, phase: str) -> None:
        self._phase = phase
        self._rounds += 1
        if self._descendants.stop_round() and phase == "freezing":
            self._phase = "frozen"
            report(f"frozen {(boot_clock_ns() - self._deadline_ns) // 1_000_000}")


def main() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_CHILD_SUBREAPER, 1), (PR_SET_PDEATHSIG, signal.SIGTERM)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl({option})")
    # Who types `pkill python3` in a terminal means something else.
    libc.prctl(PR_SET_NAME, b"jupyter-keeper", 0, 0, 0)
    # Nothing that is started here inherits it.
    os.set_inheritable(REPORTS, False)
    # Before all that people run; where Docker gives no CAP_SYS_NICE, kernels' and terminals' own nice must do.
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    Keeper(sys.argv[2:], warm=sys.argv[1] == "warm").run()


if __name__ == "__main__":
    main()
