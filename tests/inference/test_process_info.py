"""Facts about the processor, as the system tells them."""

import hashlib
import mmap
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from imgrec.inference.process_info import give_back_file, processor, processor_flags
from imgrec.settings import MIB, ROOT

CPUINFO = "processor\t: 0\nmodel name\t: A Processor @ 2.0GHz\nflags\t\t: fpu avx512f avx512_bf16\n"


def test_name_and_instruction_sets(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO)
    assert processor(path) == "A Processor @ 2.0GHz"
    assert processor_flags(path) == {"fpu", "avx512f", "avx512_bf16"}


def test_a_system_without_cpuinfo(tmp_path: Path) -> None:
    assert processor(tmp_path / "absent") == (platform.processor() or platform.machine())
    assert not processor_flags(tmp_path / "absent")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what a process has mapped")
def test_a_mapped_file_is_given_back_and_reads_the_same_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "weights of a network.bin"
    path.write_bytes(bytes(range(256)) * 4096)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        before = hashlib.sha256(mapped).hexdigest()
        assert resident_kib(path) == 1024
        give_back_file(path)
        assert resident_kib(path) == 0
        assert hashlib.sha256(mapped).hexdigest() == before
    give_back_file(tmp_path / "not mapped.bin")


def resident_kib(path: Path) -> int:
    """How much of a mapped file is in the memory of this process."""
    after = Path("/proc/self/smaps").read_text().split(f" {path}\n")[1]
    return int(after.split("Rss:")[1].split()[0])


KEPT = """
import sys
from imgrec.inference import process_info
if sys.argv[1:]:
    process_info.return_large_blocks()
blocks = [bytearray(b"x" * size) for size in [31 << 20, *[2 << 20] * 40]]
small = bytearray(b"y" * 100_000)  # above them on the heap, so that its end cannot be given back
del blocks[0]
blocks += [bytearray(b"x" * (2 << 20)) for _ in range(40)]
last = bytearray(b"z" * 100_000)
before = process_info.anonymous_bytes()
blocks.clear()
print(before - process_info.anonymous_bytes())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has the option")
def test_large_blocks_go_back_at_once() -> None:
    freed = [
        int(subprocess.run([sys.executable, "-c", KEPT, *words], cwd=ROOT, capture_output=True, check=True).stdout)
        for words in ([], ["return"])
    ]

    assert freed[1] > 150 * MIB > freed[0]
