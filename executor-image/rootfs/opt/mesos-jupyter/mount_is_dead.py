"""Succeeds when the mount at the given path is dead: its process on the host has ended, and it never heals in this container.

`statvfs` fails with ENOTCONN then, as it does for a while when GlusterFS has none of its bricks. But of a GlusterFS whose
process lives it answers by itself for this attribute, without any brick.
"""

import errno
import os
import sys
from collections.abc import Callable


def is_not_connected(call: Callable[[], object]) -> bool:
    try:
        call()
    except OSError as error:
        return error.errno == errno.ENOTCONN
    return False


path = sys.argv[1]
dead = is_not_connected(lambda: os.statvfs(path)) and is_not_connected(
    lambda: os.getxattr(path, "security.capability")
)
sys.exit(0 if dead else 1)
