"""The filter on system calls that bubblewrap loads (`--seccomp`), assembled here: no library is needed.

A filter is a list of instructions of the kernel's packet filter machine ("classic BPF", `linux/filter.h`), run for each
system call on its number and arguments (`struct seccomp_data`, seccomp(2)). What it refuses:

- memory that no limit counts: memfd, System V shared memory, semaphores and queues, POSIX message queues;
- another share of the processors than the sandbox has: another processor, another session (the kernel shares the
  processors out among sessions, where it does so automatically), another scheduling policy;
- user namespaces and all others, and mounting: what a program without privilege could get privilege in;
- a look into other processes, and parts of the kernel that no program for a task needs and that had faults before
  (bpf, io_uring, userfaultfd, perf, keyrings, sockets that are neither local nor IP; vsock would even reach the host);
- calls that are younger than this list, and those of another architecture.

Refused calls give EPERM, or ENOSYS where a C library then takes another way.
"""

import errno
import functools
import struct

from flowsteer.errors import SandboxError

ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""By the name of the machine: the column of its numbers below, and its name in `linux/audit.h`."""

REFUSED = {
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "setsid": (112, 157),
    "chroot": (161, 51),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "pivot_root": (155, 41),
    "setns": (308, 268),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mbind": (237, 235),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "userfaultfd": (323, 282),
    "uselib": (134, None),
    "vhangup": (153, 58),
}
"""Number of each call on x86_64 and on aarch64 (`asm/unistd.h`)."""

CLONE = (56, 220)
CLONE3 = (435, 435)  # its flags lie in memory, where no filter sees them; C libraries then use `clone`
SOCKET = (41, 198)
NEWEST = 462
"""The last call known here (`mseal`, Linux 6.10)."""

NEW_NAMESPACES = 0x7E020000
"""The flags of `clone` that make a namespace."""

FAMILIES = (1, 2, 10)
"""Sockets there may be: AF_UNIX, AF_INET, AF_INET6."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in `struct seccomp_data`, little-endian
_KILL, _ALLOW = 0x80000000, 0x7FFF0000


@functools.cache
def seccomp_filter(machine: str) -> bytes:
    """The filter for a machine, as bubblewrap reads it.

    Args:
        machine: As `platform.machine()` names it.

    Raises:
        SandboxError: If there is none for it.
    """
    if machine not in ARCHITECTURES:
        raise SandboxError(
            f"no filter of system calls is known for {machine}, only for {' and '.join(ARCHITECTURES)}",
            "use --sandbox container",
        )
    column, architecture = ARCHITECTURES[machine]
    refused = [numbers[column] for numbers in REFUSED.values()]
    program = (
        *(_do(_LOAD, _ARCHITECTURE), _do(_EQUAL, architecture, 1, 0), _do(_RETURN, _KILL)),
        *(_do(_LOAD, _NUMBER), _do(_AT_LEAST, NEWEST + 1, 0, 1), _refuse(errno.ENOSYS)),
        *(part for number in refused if number is not None for part in (_do(_EQUAL, number, 0, 1), _refuse())),
        *(_do(_EQUAL, CLONE3[column], 0, 1), _refuse(errno.ENOSYS)),
        *(_do(_EQUAL, CLONE[column], 0, 4), _do(_LOAD, _FIRST_ARGUMENT), _do(_ANY_BIT, NEW_NAMESPACES, 0, 1)),
        *(_refuse(), _do(_RETURN, _ALLOW)),
        *(_do(_EQUAL, SOCKET[column], 1, 0), _do(_RETURN, _ALLOW), _do(_LOAD, _FIRST_ARGUMENT)),
        *(_do(_EQUAL, family, len(FAMILIES) - index, 0) for index, family in enumerate(FAMILIES)),
        *(_refuse(errno.EAFNOSUPPORT), _do(_RETURN, _ALLOW)),
    )
    return b"".join(program)


def _do(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction (`struct sock_filter`): a comparison skips so many of those that follow."""
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _refuse(number: int = errno.EPERM) -> bytes:
    """End with an error of this number."""
    return _do(_RETURN, 0x00050000 | number)
