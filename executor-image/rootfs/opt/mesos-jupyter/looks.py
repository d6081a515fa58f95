"""Looks at the shared volume each time that a line comes on standard input. Where the volume hangs, this process alone hangs with it.

Usage: looks.py TRUSTED SHARED

An answer has a line for each name in the trusted directory, then what else there is to say, then the end:

    ./write-behind    the mount is GlusterFS, and holds writes back
    ./error TEXT      the directory cannot be listed; the names are none
    ./dead            nor will it ever in this container: the mount's process on the host has ended
    ./end

No name has a slash in it, so that none can be taken for one of these.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator


def findings(trusted: str, shared: str) -> Iterator[str]:
    try:
        # By readdir: a stat of a name may fail for long while bricks are away. An error half-way through is one here.
        names = os.listdir(trusted)
    except OSError as error:
        yield f"./error {trusted}: {error.strerror}"
        if is_dead(shared):
            yield "./dead"
        return
    yield from names
    if writes_behind(shared):
        yield "./write-behind"


def writes_behind(shared: str) -> bool:
    """GlusterFS shows its translators below a mount; other file systems have no such directory."""
    try:
        return any(name.endswith("-write-behind") for name in os.listdir(f"{shared}/.meta/graphs/active"))
    except OSError:
        return False


def is_dead(shared: str) -> bool:
    """Whether the mount's process has ended.

    `statvfs` fails with ENOTCONN then, as it does for a while when GlusterFS has none of its bricks. But of a GlusterFS whose
    process lives it answers by itself for this attribute, without any brick.
    """
    return is_not_connected(lambda: os.statvfs(shared)) and is_not_connected(
        lambda: os.getxattr(shared, "security.capability")
    )


def is_not_connected(call: Callable[[], object]) -> bool:
    try:
        call()
    except OSError as error:
        return error.errno == errno.ENOTCONN
    return False


def main() -> None:
    # Who types `pkill python3` in a terminal means something else.
    with open("/proc/self/comm", "w") as comm:
        comm.write("volume-looks")
    for _ in sys.stdin:
        text = "\n".join([*findings(*sys.argv[1:3]), "./end", ""])
        os.write(1, text.encode(errors="surrogateescape"))


main()
