"""Memory: what threads share, what there is, and what is done with that which is freed."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from threading import Condition

try:
    import resource
except ImportError:  # on Windows
    resource = None  # type: ignore[assignment]

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h
_KEPT = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: 2**31 - 1}
_USUAL = {_M_MMAP_MAX: 65_536, _M_TRIM_THRESHOLD: 2**17}
"""What malloc begins with."""
_OUT_OF_MEMORY = (
    *("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory"),
    "could not create a primitive",
)
"""What RuntimeErrors of PyTorch's allocators and of oneDNN say."""
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class Budget:
    """Bytes that threads reserve before they need them; who asks for more than is left waits, unless he is alone."""

    def __init__(self, total: Callable[[], int], shared: int | None = None) -> None:
        """Make one from which nothing is taken.

        Args:
            total: bytes of all, asked whenever some are reserved.
            shared: bytes that several may hold together, if fewer; one alone may hold more.
        """
        self.total, self._shared = total, shared
        self._used = 0
        self._changed = Condition()

    @contextmanager
    def reserved(self, nbytes: int) -> Iterator[None]:
        """Reserve bytes for the time of a context. In it a thread must not reserve again."""
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + nbytes <= self._limit())
            self._used += nbytes
        try:
            yield
        finally:
            with self._changed:
                self._used -= nbytes
                self._changed.notify_all()

    def _limit(self) -> int:
        return self.total() if self._shared is None else min(self.total(), self._shared)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that there was not enough memory, on the machine or on a GPU."""
    said = " ".join(str(error).split()).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in said for words in _OUT_OF_MEMORY)
    )


@lru_cache(maxsize=1)
def memory() -> int:
    """Return the bytes that this process may use: those of the machine, of its container, or of its limit."""
    found = [2**63 - 1]
    with suppress(AttributeError, OSError, ValueError):  # not on Windows
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in _CGROUPS:
        with suppress(OSError, ValueError):  # no container, or "max"
            found.append(int(Path(path).read_text()))
    if resource:
        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        found += [limit] if limit > 0 else []
    return min(found)


def keep_freed_memory() -> None:
    """Let the process keep the blocks that it frees, on Linux with glibc; elsewhere do nothing.

    By default malloc maps every block above 32 MB anew and gives it back when it is freed. At 256 px that is every
    activation of a training step, and the kernel spends up to a third of a step on CPUs clearing pages. GPUs have
    PyTorch's own cache.
    """
    _tune(_KEPT)


@contextmanager
def freed_memory_given_back() -> Iterator[None]:
    """Give every large block back when it is freed, for the time of a context, whatever `keep_freed_memory` said.

    Blocks that are kept lie apart where sizes vary, as those of tiles do: measured, half as much memory again.
    """
    before = dict(_tuned)
    if before:
        give_back_freed_memory()
        _tune(_USUAL)
    try:
        yield
    finally:
        _tune(before)


def give_back_freed_memory() -> None:
    """Give back what the process has kept, so that it counts as free; elsewhere than with glibc do nothing."""
    if libc := _glibc():
        libc.malloc_trim(0)


_tuned: dict[int, int] = {}
"""What malloc was told last."""


def _tune(values: Mapping[int, int]) -> None:
    if libc := _glibc():
        for name, value in values.items():
            libc.mallopt(name, value)
            _tuned[name] = value


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    try:
        return ctypes.CDLL("libc.so.6")
    except OSError:  # another C library, such as musl
        return None
