"""The cores and the memory that the operating system lets this process have."""

import ctypes
import os
import platform
import re
import sys
from pathlib import Path

# Heaps for all threads together, and the size from which an array has its own pages.
HEAPS = 2
MAPPED_BYTES = 1024 * 1024

# Of <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def usable_cores(cpu_max: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Return the number of cores that this process may use: of those it is bound to, or its quota if that is less.

    A container with a quota of two cores sees all cores of its host; one thread on each is throttled most of the time.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota_us, period_us = cpu_max.read_text().split()
        return max(1, min(cores, round(int(quota_us) / int(period_us))))
    except (OSError, ValueError):  # no control groups, or "max": no quota
        return cores


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name of the processor, or of its architecture where the system has no name."""
    names = re.search(r"^model name\s*:\s*(.+)$", _text(cpuinfo), re.MULTILINE)
    return names.group(1).strip() if names else platform.processor() or platform.machine()


def processor_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Return the instruction sets of the processor, such as avx2; empty where the system does not tell them."""
    flags = re.search(r"^flags\s*:\s*(.+)$", _text(cpuinfo), re.MULTILINE)
    return frozenset(flags.group(1).split() if flags else ())


def anonymous_bytes() -> int | None:
    """Return the resident memory of this process that no file backs and the kernel cannot drop; None off Linux."""
    found = re.search(r"^RssAnon:\s*(\d+) kB", _text(Path("/proc/self/status")), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


def give_back_memory() -> None:
    """Return freed memory to the operating system, which glibc otherwise keeps for later."""
    _call_glibc("malloc_trim", 0)


def limit_heaps() -> None:
    """Make glibc return the memory of large arrays when they are freed; to be called before threads are started.

    It otherwise gives each thread a heap of its own, up to eight for each core, and after the first large array that is
    freed it puts those below 32 MiB into the heaps, where what is freed in between stays.
    """
    if "MALLOC_ARENA_MAX" not in os.environ:
        _call_glibc("mallopt", _M_ARENA_MAX, HEAPS)
    _call_glibc("mallopt", _M_MMAP_THRESHOLD, MAPPED_BYTES)
    _call_glibc("mallopt", _M_TRIM_THRESHOLD, 8 * MAPPED_BYTES)


def _call_glibc(name: str, *arguments: int) -> None:
    if sys.platform == "linux":
        function = getattr(ctypes.CDLL(None), name, None)  # musl has none, and keeps little
        if function is not None:
            function(*arguments)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # another system than Linux
        return ""
