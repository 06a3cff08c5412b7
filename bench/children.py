"""Measuring processes: one JSON value in by standard input, one out by standard output."""

import subprocess
import sys
from typing import Any, TypeVar

import msgspec

from bench.servers import REPOSITORY

T = TypeVar("T")
_SECONDS = 300.0


class ChildFailed(Exception):
    """A measuring process failed; the text is the end of what it said."""


def ask(module: str, told: Any, answer: type[T]) -> T:
    """Run ``python -m module`` to its end; raises ChildFailed."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", module],
            cwd=REPOSITORY,
            input=msgspec.json.encode(told),
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise ChildFailed(f"{module} took more than {_SECONDS:.0f} s") from None
    if done.returncode:
        raise ChildFailed(done.stderr.decode(errors="replace")[-600:].strip())
    return msgspec.json.decode(done.stdout, type=answer)


def told(kind: type[T]) -> T:
    """In such a process: what it was told."""
    return msgspec.json.decode(sys.stdin.buffer.read(), type=kind)


def answer(value: Any) -> None:
    """In such a process: say the result."""
    sys.stdout.buffer.write(msgspec.json.encode(value))
