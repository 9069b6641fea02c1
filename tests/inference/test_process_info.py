"""Facts about the processor, as the system tells them."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from imgrec.inference.process_info import processor, processor_flags
from imgrec.settings import ROOT

CPUINFO = "processor\t: 0\nmodel name\t: A Processor @ 2.0GHz\nflags\t\t: fpu avx512f avx512_bf16\n"


def test_name_and_instruction_sets(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO)
    assert processor(path) == "A Processor @ 2.0GHz"
    assert processor_flags(path) == {"fpu", "avx512f", "avx512_bf16"}


def test_a_system_without_cpuinfo(tmp_path: Path) -> None:
    assert processor(tmp_path / "absent") == (platform.processor() or platform.machine())
    assert not processor_flags(tmp_path / "absent")


# Large arrays with small objects between them, and the first freed array makes glibc put the next into its heap.
FRAGMENTED = """
import sys
from imgrec.inference import process_info
if sys.argv[1] == "limited":
    process_info.limit_heaps()
bytearray(30 << 20)
before = process_info.anonymous_bytes()
arrays, between = [], []
for number in range(30):
    arrays.append(bytearray(2 << 20))
    between.append(bytearray(100_000))
del arrays
print((process_info.anonymous_bytes() - before) >> 20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_the_memory_of_large_arrays_is_returned_when_they_are_freed() -> None:
    def kept_mib(how: str) -> int:
        command = [sys.executable, "-c", FRAGMENTED, how]
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    assert kept_mib("limited") < 10 < kept_mib("as it is")
