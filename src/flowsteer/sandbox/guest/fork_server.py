"""One interpreter for many programs: each runs in a process forked from this one, and nothing of it stays.

`runner.py` executes this file when it is started to serve. Standard input is then a socket. A message on it brings
three descriptors, the standard streams of one run; it is answered with the exit status once no process of that run is
left. A run never has the socket: it cannot speak for the server, nor hear of the next run. The server is process 1 of
its table, so that no run can kill it, all orphans come back to it, and "no child" means that nothing is left.
"""

import gc
import os
import signal
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

WARM = (
    "collections",
    "copy",
    "functools",
    "heapq",
    "itertools",
    "math",
    "operator",
    "random",
    "re",
    "resource",
    "string",
    "typing",
)
"""What programs often import; each run would take its time again."""

PR_SET_DUMPABLE = 4
HERE = b"here"
"""The message for a program that runs in this process; any other names a user."""


def serve(run: "Callable[[], None]", run_here: "Callable[[], None]") -> None:
    """Run programs until the host closes the socket.

    Args:
        run: Runs what standard input asks for, and ends the process.
        run_here: Runs it in this process. That is for trusted programs, and saves a third of the time.
    """
    control = socket.socket(fileno=os.dup(0))
    for name in WARM:
        __import__(name)
    hide()
    gc.collect()
    gc.freeze()  # a child that collects garbage would copy all of this
    control.send(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 64, 3)
        if not message:
            return
        if message == HERE:
            stand_in(descriptors, run_here)
            control.send(b"0")
            continue
        child = os.fork()
        if not child:
            become(control, descriptors, run)
        for descriptor in descriptors:
            os.close(descriptor)
        status = os.waitpid(child, 0)[1]
        sweep(int(message))
        control.send(b"%d" % status)


def stand_in(descriptors: "list[int]", run_here: "Callable[[], None]") -> None:
    """Run one program in this process, with standard streams of its own."""
    kept = [os.dup(number) for number in range(3)]
    for number in range(3):
        os.dup2(descriptors[number], number)
        os.close(descriptors[number])
    run_here()
    for number in range(3):
        os.dup2(kept[number], number)
        os.close(kept[number])


def hide() -> None:
    """Keep this process's memory and descriptors from others of its user."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def become(control: "socket.socket", descriptors: "list[int]", run: "Callable[[], None]") -> None:
    """Be the process of one run; never returns."""
    try:
        control.close()
        for target, descriptor in enumerate(descriptors):
            os.dup2(descriptor, target)
            os.close(descriptor)
        run()
    finally:
        os._exit(70)


def sweep(user: int) -> None:
    """End every process but this one.

    Args:
        user: Whose they are; 0 if there is but one user here. The server has no right to signal others: a child that
            becomes that user does it.
    """
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        killer = os.fork()
        if not killer:
            try:
                if user:
                    os.setgroups([])
                    os.setresgid(user, user, user)
                    os.setresuid(user, user, user)
                os.kill(-1, signal.SIGKILL)
            finally:
                os._exit(0)
        os.waitpid(killer, 0)
        os.wait()
