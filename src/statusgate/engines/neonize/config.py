"""What the gateway tells a worker at its start, and what a worker's exit code means."""

import os
from enum import IntEnum
from typing import Literal

import msgspec

Addressing = Literal["auto", "pn", "lid"]
"""how recipients are named to WhatsApp: by phone number, by LID, or as it turns out to work"""

LegacyFonts = Literal["raw", "map"]
"""fonts that today's clients no longer list: sent by number, or replaced by similar ones"""


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; the defaults suit WhatsApp, tests shorten them."""

    beat: float = 5.0
    beats_missed: int = 3
    kill_after: float = 5.0
    """between SIGTERM and SIGKILL"""

    restart_first: float = 1.0
    restart_most: float = 300.0
    settled_after: float = 600.0
    """a worker that ran this long starts the back-off afresh"""
    deaths: int = 5
    deaths_within: float = 600.0
    """so many deaths within that time raise the alarm and lead to the slow lane"""
    slow: float = 300.0
    replaced_hold: float = 600.0
    outdated_hold: float = 3600.0

    linking: float = 170.0
    connecting: float = 120.0
    failing: float = 120.0
    """silence or a closed connection for so long restarts the worker"""
    settle: float = 30.0
    """without news, after which a newly linked account moves to a shared process"""
    linger: float = 2.0
    """an unlinked worker without work ends itself"""

    hello: float = 30.0
    """for a new worker to load and report"""

    send_drain: float = 8.0
    ack_drain: float = 2.0
    room_every: float = 5.0
    """how often to look whether a full disk has room again"""

    contacts_every: float = 600.0

    request: float = 30.0
    download: float = 300.0
    upload: float = 300.0
    audience: float = 20.0
    """for each answer about who may see a status, before anything is sent"""
    send: float = 60.0
    """for the answer to a post or a deletion, and *send_each* for each of its recipients;
    the library itself gives up after 75 s for each of its questions"""
    send_each: float = 0.01
    post: float = 3600.0
    """for a whole post; its steps have the deadlines above"""


class Setup(msgspec.Struct, frozen=True, kw_only=True, tag="setup", tag_field="t"):
    """First frame on the socket; here and not in ``argv``, for a proxy may hold a password."""

    version: int
    directory: str
    """absolute"""
    proxy: str = ""
    display_name: str = "statusgate"
    """shown on the phone"""
    addressing: Addressing = "auto"
    legacy_fonts: LegacyFonts = "raw"
    forget: bool = False
    """only put the session aside, because the operator gives up a lost one"""
    shared: bool = False
    """other accounts live in the same process: nothing is linked there"""
    moves: bool = False
    """once linked, and when no more news come, the account moves to a shared process"""
    moved: bool = False
    """it comes from another process, where it was open"""
    min_free_bytes: int = 128 * 1024 * 1024
    """of disk space; below it the account goes offline"""
    memory_bytes: int = 1024 * 1024 * 1024
    """above this the process ends itself; 0: never"""
    timing: Timing = Timing()


class Exit(IntEnum):
    """Why a worker ended; any other code, and a signal (below 0), is a crash."""

    DRAINED = 0
    UNREACHABLE = 69
    LOCKED = 73
    RESTART = 74
    NO_ROOM = 75
    PROTOCOL = 76
    MEMORY = 77
    STORE_LOST = 78
    STUCK = 79
    REPLACED = 80
    LOGGED_OUT = 81
    LINKING_ENDED = 82
    OUTDATED = 83
    BANNED = 84
    BLOCKED = 85
    MOVED = 86
    HOST_DIED = 87
    CROWDED = 88


MEANING = {
    Exit.DRAINED: "ended on request",
    Exit.UNREACHABLE: "WhatsApp cannot be reached",
    Exit.LOCKED: "another process uses the account's folder",
    Exit.RESTART: "the connection failed without closing",
    Exit.NO_ROOM: "the spool cannot be written; is the disk full?",
    Exit.PROTOCOL: "the gateway and its worker do not understand each other",
    Exit.MEMORY: "it used more memory than engine_memory_mb allows",
    Exit.STORE_LOST: "the session store is missing or damaged; log out, then link again",
    Exit.STUCK: "it could not leave WhatsApp, or did not end",
    Exit.REPLACED: "the same session is in use elsewhere",
    Exit.LOGGED_OUT: "the device is no longer linked",
    Exit.LINKING_ENDED: "linking ended without success",
    Exit.OUTDATED: "WhatsApp refuses this version; upgrade neonize",
    Exit.BANNED: "the account is banned for a time",
    Exit.BLOCKED: "the account is banned",
    Exit.MOVED: "it moves to another process",
    Exit.CROWDED: "it begins elsewhere",
    Exit.HOST_DIED: "the process that it shared with other accounts ended",
}


SLACK = 1.25
"""so many times the least free space must be there before an account goes online again"""


def free_bytes(directory: str) -> int:
    """Return how much an ordinary user may still write to the disk of *directory*."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize


def meaning(code: int) -> str:
    """Return in words why a worker ended; negative codes are signals."""
    if code in MEANING:
        return MEANING[Exit(code)]
    return f"killed by signal {-code}" if code < 0 else f"crashed with exit code {code}"
