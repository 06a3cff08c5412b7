"""System calls that a child process gives up for good, by a seccomp filter of the kernel.

A decoder needs to compute, to read and write what is open, and to start threads. Everything
by which a decoder that was taken over could reach further is refused with EPERM: sockets,
programs, other processes, and files by their names. Calls newer than those listed (io_uring,
pidfd, clone3 …) do not exist for it, so libraries fall back on older ones.
"""

import ctypes
import errno
import platform
import struct

_DENIED = """
    socket 41 198, socketpair 53 199, connect 42 203, bind 49 200, listen 50 201,
    accept 43 202, accept4 288 242, sendto 44 206, sendmsg 46 211, sendmmsg 307 269,
    execve 59 221, execveat 322 281, fork 57 -, vfork 58 -,
    ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, kcmp 312 272,
    kill 62 129, tkill 200 130, tgkill 234 131, rt_sigqueueinfo 129 138,
    rt_tgsigqueueinfo 297 240, shmget 29 194, semget 64 190, msgget 68 186, mq_open 240 180,
    open 2 -, openat 257 56, creat 85 -, open_by_handle_at 304 265, truncate 76 45,
    unlink 87 -, unlinkat 263 35, rename 82 -, renameat 264 38, renameat2 316 276,
    mkdir 83 -, mkdirat 258 34, rmdir 84 -, link 86 -, linkat 265 37, symlink 88 -,
    symlinkat 266 36, mknod 133 -, mknodat 259 33, chmod 90 -, fchmod 91 52, fchmodat 268 53,
    chown 92 -, lchown 94 -, fchown 93 55, fchownat 260 54, utime 132 -, utimes 235 -,
    utimensat 280 88, futimesat 261 -, setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7,
    mount 165 40, umount2 166 39, chroot 161 51, pivot_root 155 41, unshare 272 97,
    setns 308 268, bpf 321 280, perf_event_open 298 241, userfaultfd 323 282,
    keyctl 250 219, add_key 248 217, request_key 249 218, personality 135 92,
    init_module 175 105, finit_module 313 273, fanotify_init 300 262
"""
"""each with its number on x86-64 and on 64-bit ARM"""
_MACHINES = {"x86_64": 0, "aarch64": 1}
_ARCHITECTURES = (0xC000003E, 0xC00000B7)
_CLONE = (56, 220)
_PRLIMIT = (302, 261)
_NEWEST = 423
"""from here on numbers are the same on all machines"""
_CLONE_THREAD = 0x10000

_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
"""where they stand in struct seccomp_data"""
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER_MODE = 38, 22, 2
_ABSENT = (errno.EINVAL, errno.ENOSYS)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def give_up_system_calls() -> bool:
    """Confine this process and all its threads to come; there is no way back.

    It also gains no privileges from programs any more. False if the kernel has no seccomp, or
    the machine is neither x86-64 nor 64-bit ARM. Raises OSError for any other fault.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    if libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    steps = _filter(machine)
    code = ctypes.create_string_buffer(b"".join(steps))
    program = _Program(len(steps), ctypes.addressof(code))
    if libc.prctl(_SET_SECCOMP, _FILTER_MODE, ctypes.addressof(program), 0, 0):
        if ctypes.get_errno() in _ABSENT:
            return False
        raise OSError(ctypes.get_errno(), "seccomp")
    return True


def _filter(machine: int) -> list[bytes]:
    """Return the program that the kernel runs before each system call."""
    denied = [names.split()[1 + machine] for names in _DENIED.split(",")]
    return [
        _step(_LOAD, _ARCHITECTURE),
        *_unless(_EQUAL, _ARCHITECTURES[machine], _KILL),
        _step(_LOAD, _NUMBER),
        *_when(_GREATER, _NEWEST, _ERROR | errno.ENOSYS),
        *(
            step
            for number in denied
            if number != "-"
            for step in _when(_EQUAL, int(number), _ERROR | errno.EPERM)
        ),
        _step(_EQUAL, _CLONE[machine], 0, 4),
        _step(_LOAD, _FIRST_ARGUMENT),
        *_unless(_ANY_BIT, _CLONE_THREAD, _ERROR | errno.EPERM),
        _step(_RETURN, _ALLOW),
        _step(_EQUAL, _PRLIMIT[machine], 0, 3),
        _step(_LOAD, _FIRST_ARGUMENT),
        *_unless(_EQUAL, 0, _ERROR | errno.EPERM),  # 0 is this process
        _step(_RETURN, _ALLOW),
    ]


def _when(test: int, value: int, verdict: int) -> list[bytes]:
    return [_step(test, value, 0, 1), _step(_RETURN, verdict)]


def _unless(test: int, value: int, verdict: int) -> list[bytes]:
    return [_step(test, value, 1, 0), _step(_RETURN, verdict)]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction; the jumps count the instructions passed over."""
    return struct.pack("=HBBI", code, if_true, if_false, value)
