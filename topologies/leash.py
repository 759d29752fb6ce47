"""Runs a command that dies with the process that started it, `kill -9` included.

    python -I -S leash.py PARENT_PID COMMAND ARGUMENT…

Linux sends a process the signal it asked for when its parent goes (prctl(2), PR_SET_PDEATHSIG),
and keeps the wish across exec. It has to be asked for in the child: a `preexec_fn` would run
Python between fork and exec in a process that has threads, which can deadlock, so this file is
started instead and becomes the command. "Parent" means the thread that forked: start children
from a thread that lives as long as they should.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_EXIT_NOT_STARTED = 127  # what shells use for a command that cannot be run


def main() -> int:
    """Tie this process to its parent, then become the command; returns only on failure."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        print("prctl(PR_SET_PDEATHSIG) was refused", file=sys.stderr)
        return _EXIT_NOT_STARTED
    if os.getppid() != parent:  # it died before the wish was spoken
        return _EXIT_NOT_STARTED
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it; exec would pass that on
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"cannot run {command[0]}: {error.strerror}", file=sys.stderr)
    return _EXIT_NOT_STARTED


if __name__ == "__main__":
    sys.exit(main())
