"""Facts about the processor, as the system tells them."""

import platform
from pathlib import Path

import pytest

from imgrec.inference.process_info import has_bfloat16, processor

CPUINFO = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: A Processor @ 2.0GHz\nflags\t\t: fpu avx512f{}\n"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        pytest.param("", False, id="neither"),
        pytest.param(" avx512_bf16", True, id="AVX-512"),
        pytest.param(" amx_bf16", True, id="AMX"),
    ],
)
def test_name_and_bfloat16(tmp_path: Path, flags: str, expected: bool) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO.format(flags))
    assert processor(path) == "A Processor @ 2.0GHz"
    assert has_bfloat16(path) is expected


def test_a_system_without_cpuinfo(tmp_path: Path) -> None:
    assert processor(tmp_path / "absent") == (platform.processor() or platform.machine())
    assert not has_bfloat16(tmp_path / "absent")
