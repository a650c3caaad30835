"""Doing something as a user who may do little: root may read and write everything, and many tests run as root somewhere."""

import contextlib
import os
from collections.abc import Iterator

NOBODY = 65534


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """This process is nobody's inside, where it is root's; what is another user's already stays so."""
    if os.geteuid() != 0:
        yield
        return
    groups, group = os.getgroups(), os.getgid()
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, group)
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(group, group, group)
        os.setgroups(groups)
