"""Facts about the processor, as the system tells them."""

import platform
from pathlib import Path

from imgrec.inference.process_info import processor, processor_flags

CPUINFO = "processor\t: 0\nmodel name\t: A Processor @ 2.0GHz\nflags\t\t: fpu avx512f avx512_bf16\n"


def test_name_and_instruction_sets(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO)
    assert processor(path) == "A Processor @ 2.0GHz"
    assert processor_flags(path) == {"fpu", "avx512f", "avx512_bf16"}


def test_a_system_without_cpuinfo(tmp_path: Path) -> None:
    assert processor(tmp_path / "absent") == (platform.processor() or platform.machine())
    assert not processor_flags(tmp_path / "absent")
