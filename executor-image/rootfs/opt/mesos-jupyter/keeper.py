"""Runs a command and adopts its orphans: kernels and terminals in sessions of their own stay this process' descendants.

The node agent ends Jupyter by killing all descendants of this process, which it could not find otherwise: a process
whose parent died belongs to the nearest subreaper, which Node.js cannot become.
"""

import ctypes
import os
import signal
import subprocess
import sys

PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    # The end of the command is told on descriptor 3, which nothing that it starts inherits.
    os.set_inheritable(3, False)
    # Here and not in the node agent, which would hang with a volume that hangs.
    child = subprocess.Popen(sys.argv[1:], cwd=os.environ["MESOS_JUPYTER_NOTEBOOKS"])
    signal.signal(signal.SIGTERM, lambda _number, _frame: child.poll() is None and child.terminate())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            # Nobody is left to adopt from.
            return
        if pid == child.pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            os.write(3, f"{child.returncode}\n".encode())


if __name__ == "__main__":
    main()
