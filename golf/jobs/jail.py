"""What a confined process does to itself before it becomes its command: `python -I -S jail.py SPEC`.

A script of its own, with nothing but the standard library, so that it starts in 20 ms under any interpreter; the
caller's side is `golf.jobs.confine`. Every measure is tried, none needs a privilege, and the first line on the answers'
pipe is JSON: what is in force, and what is not and why. Nothing of the command has run by then, so the line is true.

Linux holds a process in by namespaces (what it sees), Landlock (what it may write), a system call filter (no sockets)
and limits; where the system refuses one, the others still stand. Other systems have the limits alone.
"""

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from pathlib import Path

ANSWERS = 3
"""Descriptor on which the command answers; requests come on 0."""

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 1 << 17, 1 << 27, 1 << 28, 1 << 29, 1 << 30
AT_FDCWD, AT_RECURSIVE, MNT_DETACH = -100, 0x8000, 2
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 22, 24, 38
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
"""A system call that the C library does not offer."""

MOUNT_SETATTR, LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 442, 444, 445, 446
"""System calls, by the same number on x86-64 and arm64."""

DENIED = {
    "x86_64": (0xC000003E, (41, 101, 248, 249, 250, 425)),
    "aarch64": (0xC00000B7, (198, 117, 217, 218, 219, 425)),
}
"""Audit architecture, and the calls that are refused: socket, ptrace, add_key, request_key, keyctl, io_uring_setup.

io_uring would open sockets past the filter, and keyrings outlive a process.
"""

SEPARATE = "no network: network, process and IPC namespaces of its own"

VIEW = "nothing to be seen but the interpreter, the system's libraries and"
"""Begins the measure that decides what a scorer could have read."""

DEVICES = ("null", "zero", "full", "random", "urandom")

_libc = ctypes.CDLL(None, use_errno=True)


def main(spec: dict) -> None:
    """Confine this process as `spec` says, and become its command; does not return."""
    _end_with_parent()
    os.dup2(spec["answers"], ANSWERS, inheritable=True)
    os.closerange(ANSWERS + 1, 1 << 16)
    in_force: list[str] = []
    lacking: list[str] = []

    def attempt(name: str, measure: Callable[[], object]) -> bool:
        try:
            measure()
        except (OSError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
            lacking.append(f"{name}: {getattr(error, 'strerror', None) or error}")
            return False
        in_force.append(name)
        return True

    writable = [spec["scratch"]]
    if attempt(SEPARATE, separate):
        follow()
        if attempt("everything read-only but a scratch folder in memory: mount namespace", lambda: remount(spec)):
            writable.append("/dev/shm")  # which is its own by now
    if spec["view"]:
        attempt(f"{VIEW} {spec['view']['told']}", lambda: see(spec, len(writable) > 1))
    if spec["hidden"]:
        attempt(f"hidden: {', '.join(spec['hidden'])}", lambda: hide(spec, len(writable) > 1))
    os.chdir(spec["scratch"])
    attempt("limits per process: memory, size of a file, open files, no core dumps", lambda: limit(spec["limits"]))
    attempt("no new privileges, no capabilities", renounce)
    attempt(
        "no writing outside the scratch folder, no TCP, no signals to others: Landlock",
        lambda: landlock(writable, spec["devices"]),
    )
    attempt("no sockets, no tracing, no keyrings: system call filter", filter_calls)
    os.write(ANSWERS, json.dumps({"in_force": in_force, "lacking": lacking}).encode() + b"\n")
    os.execvpe(spec["command"][0], spec["command"], spec["env"])


def separate() -> None:
    """Namespaces in which there is no network and no other process.

    The user stays who it is: files keep their owners, and outside the namespace it has no privilege.
    """
    _only_on_linux()
    uid, gid = os.geteuid(), os.getegid()
    parts = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
    if not os.access("/proc/self/uid_map", os.W_OK):  # asked first: there is no way back
        raise OSError(errno.EROFS, "/proc/self/uid_map cannot be written")
    try:
        _call("unshare", CLONE_NEWUSER | parts)
    except OSError:
        _call("unshare", parts)  # a container may forbid user namespaces and leave its root the others
        return
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def follow() -> None:
    """Enter the new process namespace by a fork; the process outside waits and ends as the one inside does.

    When the first process of the namespace dies, the kernel kills every other.
    """
    child = os.fork()
    if child == 0:
        _end_with_parent()
        return
    os.closerange(ANSWERS, ANSWERS + 1)
    os.close(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
    os._exit(code)


def remount(spec: dict) -> None:
    """A read-only view without devices, and over it what the command needs of its own: scratch, /dev, /proc."""
    scratch, size = spec["scratch"], spec["limits"]["scratch_bytes"]
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    _attributes("/", MS_RDONLY | MS_NOSUID | MS_NODEV, 0, AT_RECURSIVE)
    _mount("scratch", scratch, "tmpfs", MS_NOSUID | MS_NODEV, f"size={size},nr_inodes=10k,mode=700")
    nodes = {Path("/dev", name): os.open(f"/dev/{name}", os.O_PATH) for name in (*DEVICES, *spec["devices"])}
    _mount("dev", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "size=64k,mode=755")
    for place, node in nodes.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
        _mount(f"/proc/self/fd/{node}", str(place), None, MS_BIND)
        _attributes(str(place), 0, MS_NODEV)
        os.close(node)
    Path("/dev/fd").symlink_to("/proc/self/fd")
    Path("/dev/shm").mkdir()
    _mount("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, f"size={size},nr_inodes=10k,mode=700")
    _attributes("/dev", MS_RDONLY, 0)
    with contextlib.suppress(OSError):  # containers with a masked /proc forbid another; theirs is read-only by now
        _mount("proc", "/proc", "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)


def see(spec: dict, is_own: bool) -> None:
    """Move into a root of its own, with what is to be seen in it; of the old one nothing is left.

    pivot_root puts the old root over the new one, where it can be taken off.
    """
    if not is_own:
        raise NotImplementedError("needs the mount namespace")
    root, scratch = spec["view"]["root"], spec["scratch"]
    _mount("view", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=16m,mode=755")
    for place in (*spec["view"]["places"], scratch):
        there = Path(root + place)
        is_folder = Path(place).is_dir()
        (there if is_folder else there.parent).mkdir(parents=True, exist_ok=True)
        if not is_folder:
            there.touch()
        _mount(place, str(there), None, MS_BIND | MS_REC)
    for link, to in spec["view"]["links"].items():
        there = Path(root + link)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.symlink_to(to)
    _attributes(root, MS_RDONLY, 0)
    os.chdir(root)
    _system(PIVOT_ROOT[os.uname().machine], b".", b".")
    _call("umount2", b".", MNT_DETACH)
    os.chdir("/")


def hide(spec: dict, is_own: bool) -> None:
    """Nothing where these files and folders are, but for what is kept of them."""
    if not is_own:
        raise NotImplementedError("needs the mount namespace")
    for path in spec["hidden"]:
        if not os.path.lexists(path):
            continue  # it is not in the view
        if not Path(path).is_dir():
            _mount("/dev/null", path, None, MS_BIND)
            continue
        kept = {place: os.open(place, os.O_PATH) for place in spec["kept"] if Path(path) in Path(place).parents}
        _mount("hidden", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=755")
        for place, node in kept.items():
            Path(place).mkdir(parents=True, exist_ok=True)
            _mount(f"/proc/self/fd/{node}", place, None, MS_BIND | MS_REC)
            os.close(node)
        _attributes(path, MS_RDONLY, 0)


def limit(limits: dict) -> None:
    """Bounds that hold for each process by itself."""
    for name, most in (
        (resource.RLIMIT_DATA, limits["memory_bytes"]),  # not RLIMIT_AS: CUDA reserves address space it never uses
        (resource.RLIMIT_FSIZE, limits["scratch_bytes"]),
        (resource.RLIMIT_NOFILE, 1024),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(name)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(name, (most, most))


def renounce() -> None:
    """Give up what being root, here or in the namespace, would allow."""
    _only_on_linux()
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in range(64):
        with contextlib.suppress(OSError):
            _call("prctl", PR_CAPBSET_DROP, capability, 0, 0, 0)
    version_3 = struct.pack("=Ii", 0x20080522, 0)
    _call("capset", version_3, bytes(24))


WRITES = sum(1 << bit for bit in (1, *range(4, 13)))
"""Landlock's rights to write, remove and make; REFER (13) and TRUNCATE (14) came with ABI 2 and 3."""


def landlock(folders: list[str], devices: list[str]) -> None:
    """Write nowhere but in these folders and to a few devices; no TCP; no signals to processes outside."""
    _only_on_linux()
    abi = _system(LANDLOCK_CREATE_RULESET, None, 0, 1)
    write_file, everywhere = 1 << 1, WRITES | (abi >= 2) << 13 | (abi >= 3) << 14
    attributes = [everywhere] + [0b11] * (abi >= 4) + [0b11] * (abi >= 6)  # files; bind and connect; sockets, signals
    packed = struct.pack(f"={len(attributes)}Q", *attributes)
    rules = _system(LANDLOCK_CREATE_RULESET, packed, len(packed), 0)
    places = [(folder, everywhere) for folder in folders]
    places += [(f"/dev/{name}", write_file | everywhere & 1 << 14) for name in (*DEVICES, *devices)]
    for place, rights in places:
        node = os.open(place, os.O_PATH)
        _system(LANDLOCK_ADD_RULE, rules, 1, struct.pack("=Qi", rights, node), 0)
        os.close(node)
    _system(LANDLOCK_RESTRICT_SELF, rules, 0)
    os.close(rules)


def filter_calls() -> None:
    """Refuse the calls of DENIED, and every call of another architecture.

    A seccomp program: (code, jump if true, jump if false, constant) per instruction.
    """
    _only_on_linux()
    if os.uname().machine not in DENIED:
        raise NotImplementedError(f"not known for {os.uname().machine}")
    architecture, calls = DENIED[os.uname().machine]
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    refuse = len(calls) + 1  # instructions from the first call's to the refusal
    program = [(load, 0, 0, 4), (equal, 0, refuse + 2, architecture), (load, 0, 0, 0), (at_least, refuse, 0, 1 << 30)]
    program += [(equal, refuse - 1 - index, 0, call) for index, call in enumerate(calls)]
    program += [(give, 0, 0, 0x7FFF0000), (give, 0, 0, 0x00050000 | errno.EACCES)]  # allow; refuse
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    packed = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    _call("prctl", PR_SET_SECCOMP, 2, ctypes.addressof(packed), 0, 0)


def _end_with_parent() -> None:
    """Be killed when the process that started this one goes, however it goes."""
    with contextlib.suppress(OSError, NotImplementedError):
        _only_on_linux()
        _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _only_on_linux() -> None:
    if sys.platform != "linux":
        raise NotImplementedError(f"not on {sys.platform}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    _call("mount", *(_bytes(text) for text in (source, target, kind)), ctypes.c_ulong(flags), _bytes(data))


def _attributes(target: str, add: int, remove: int, flags: int = 0) -> None:
    """mount_setattr: flags of a mount, or of all below it."""
    _system(MOUNT_SETATTR, AT_FDCWD, _bytes(target), flags, struct.pack("=4Q", add, remove, 0, 0), 32)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _call(name: str, *arguments: object) -> int:
    return _checked(getattr(_libc, name)(*map(_wide, arguments)))


def _system(number: int, *arguments: object) -> int:
    return _checked(_libc.syscall(ctypes.c_long(number), *map(_wide, arguments)))


def _wide(argument: object) -> object:
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
