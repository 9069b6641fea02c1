"""The cores and the memory that the operating system lets this process have."""

import ctypes
import os
import platform
import re
import sys
from pathlib import Path

from imgrec.settings import MIB

# From this size on, fetching memory anew costs little beside what is done with it; photos are decoded in blocks of it.
LARGE_BLOCK_BYTES = 1 * MIB
MAX_ARENAS = 2

# What glibc keeps of freed memory: without it, each image of a few hundred pixels would have its memory fetched anew.
KEPT_BYTES = 4 * MIB

# From glibc's malloc.h.
_MADV_DONTNEED = 4
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8


# What `use_at_most` has set: a worker beside others has a share of the machine.
_most_cores: int | None = None


def use_at_most(cores: int) -> None:
    """Have `usable_cores` return at most `cores` in this process from now on."""
    global _most_cores
    _most_cores = cores


def usable_cores(cpu_max: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Return the number of cores that this process may use: of those it is bound to, or its quota if that is less.

    A container with a quota of two cores sees all cores of its host; one thread on each is throttled most of the time.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = min(cores, _most_cores or cores)
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
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none, and keeps little
        if trim is not None:
            trim(0)


def give_back_file(path: Path) -> None:
    """Return the memory of a file that is mapped to be read; what is read again comes from the file."""
    if sys.platform != "linux":
        return
    advise = ctypes.CDLL(None).madvise
    for line in _text(Path("/proc/self/maps")).splitlines():
        # A line is "7f0000000000-7f0000001000 r--p 00000000 fe:00 123   /a/path".
        places, permissions, *_ = line.split(maxsplit=2)
        if permissions.startswith("r-") and line.endswith(f" {path.resolve()}"):
            first, last = (int(place, 16) for place in places.split("-"))
            advise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), _MADV_DONTNEED)


def return_large_blocks() -> None:
    """Have large blocks of memory go back to the operating system when they are freed; to be called before threads.

    Otherwise glibc raises the size from which it does so to that of the largest block that was ever freed, keeps all
    smaller ones, and does so for each of up to eight arenas a core: after some hundred images, hundreds of megabytes.
    """
    if sys.platform == "linux":
        option = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if option is not None:
            option(_M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
            option(_M_TRIM_THRESHOLD, KEPT_BYTES)
            option(_M_ARENA_MAX, MAX_ARENAS)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # another system than Linux
        return ""
