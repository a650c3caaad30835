"""Ends a process group when whoever holds the other end of its standard input is gone, however that ended.

The leader of the group in which `bedside up` starts its children. On Linux the kernel ends them too (PR_SET_PDEATHSIG); elsewhere
this is what does. Run by itself, without the project's packages: it must start at once and need nothing.
"""

import os
import signal


def hold() -> None:
    """Wait for the end of standard input, then end the group, this process with it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 64):
        pass
    if os.getpgrp() == os.getpid():  # else it is somebody else's group
        os.kill(0, signal.SIGKILL)


if __name__ == "__main__":
    hold()
