import re
from pathlib import Path

import pytest

from imgrec.errors import SettingError
from imgrec.settings import MIB, ROOT, SETTINGS, Settings, available_memory_bytes


def test_defaults_need_no_environment() -> None:
    settings = Settings.from_env({})
    assert settings.max_upload_bytes == 20 * MIB
    assert settings.home.is_absolute()
    assert settings.memory_bytes >= 64 * MIB
    assert not settings.offline
    assert not settings.demo


@pytest.mark.parametrize(
    ("env", "field", "expected"),
    [
        pytest.param({"IMGREC_DEMO": "1"}, "max_upload_bytes", 8 * MIB, id="the demo takes smaller images"),
        pytest.param({"IMGREC_MAX_UPLOAD_MIB": "3"}, "max_upload_bytes", 3 * MIB, id="upload limit"),
        pytest.param({"IMGREC_MEMORY_MIB": "512"}, "memory_bytes", 512 * MIB, id="memory budget"),
        pytest.param({"IMGREC_SESSION_MIB": "7"}, "session_bytes", 7 * MIB, id="quota of a tab"),
        pytest.param({"IMGREC_SESSIONS_MIB": "9"}, "sessions_bytes", 9 * MIB, id="quota of all tabs"),
        pytest.param({"IMGREC_MAX_SESSIONS": "3"}, "max_sessions", 3, id="open tabs"),
        pytest.param({"IMGREC_DEMO": "1"}, "session_bytes", 64 * MIB, id="the demo keeps less"),
        pytest.param({"IMGREC_HOME": "/x/y"}, "home", Path("/x/y"), id="home"),
        pytest.param({"KERAS_HOME": "/x/k"}, "keras_home", Path("/x/k"), id="keras home"),
        pytest.param({"IMGREC_OFFLINE": "yes"}, "offline", True, id="offline"),
        pytest.param({"IMGREC_HOSTS": "a.org, *.b.org"}, "hosts", ("a.org", "*.b.org"), id="hosts"),
        pytest.param({"SPACE_HOST": "me-app.hf.space"}, "hosts", ("me-app.hf.space",), id="the host of a Space"),
        pytest.param(
            {"SPACE_HOST": "me-app.hf.space"}, "frames", ("https://huggingface.co",), id="the frame of a Space"
        ),
        pytest.param({"IMGREC_FRAMES": "https://*.b.org"}, "frames", ("https://*.b.org",), id="frames"),
    ],
)
def test_a_variable_is_read(env: dict[str, str], field: str, expected: object) -> None:
    assert getattr(Settings.from_env(env), field) == expected


@pytest.mark.parametrize(
    "env",
    [
        pytest.param({"IMGREC_MEMORY_MIB": "lots"}, id="words"),
        pytest.param({"IMGREC_MEMORY_MIB": "0"}, id="zero"),
        pytest.param({"IMGREC_MEMORY_MIB": "-5"}, id="negative"),
        pytest.param({"IMGREC_MAX_SESSIONS": "none"}, id="no number"),
        pytest.param({"IMGREC_DEMO": "maybe"}, id="no flag"),
        pytest.param({"IMGREC_HOSTS": "a.org b.org"}, id="no commas"),
        pytest.param({"IMGREC_FRAMES": "https://a.org; script-src *"}, id="a directive"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_by_name(env: dict[str, str]) -> None:
    (name,) = env
    with pytest.raises(SettingError, match=f"Expected {name} .*Received: "):
        Settings.from_env(env)


def test_the_control_group_counts_and_not_the_hosts_memory(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1073741824\n")
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       64000000 kB\n")
    assert available_memory_bytes(tmp_path, meminfo) == 1024 * MIB


def test_a_control_group_without_a_limit_leaves_the_machines_memory(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       2048 kB\n")
    assert available_memory_bytes(tmp_path, meminfo) == 2 * MIB


def test_the_readme_lists_every_variable() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert {name: (meaning, default.strip("`")) for name, meaning, default in rows} == SETTINGS


def test_no_other_module_reads_the_environment() -> None:
    for path in (ROOT / "imgrec").rglob("*.py"):
        if path.name != "settings.py":
            reads = r"""(environ(\.get)?|getenv)\s*[\[(]\s*["']IMGREC_"""
            assert not re.search(reads, path.read_text()), path
