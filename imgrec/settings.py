"""The only reader of imgrec's environment variables.

`SETTINGS` below is the whole list: name, meaning, default. The README's table is checked against it.
"""

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imgrec.errors import SettingError

MIB = 1024 * 1024

PACKAGE = Path(__file__).resolve().parent

# What Python imports imgrec from: the repository, or the folder that packages are installed in.
ROOT = PACKAGE.parent

# app.py, pages/, assets/ and .streamlit/: the repository; in a wheel they lie inside of the package.
APP = PACKAGE / "_app" if (PACKAGE / "_app").is_dir() else ROOT
ASSETS = APP / "assets"

# A phone's 50-megapixel JPEG is 10-20 MB; a larger file is no photograph.
MAX_UPLOAD_MIB = 20
DEMO_MAX_UPLOAD_MIB = 8

# What Google Cloud Vision does for nothing in a month (https://cloud.google.com/vision/pricing, 2026-11).
GOOGLE_VISION_MONTHLY = 1000

# What the server keeps for one browser tab and for all: of uploads that wait, and as much again of decoded images.
SESSION_MIB, DEMO_SESSION_MIB = 100, 64
SESSIONS_MIB, DEMO_SESSIONS_MIB = 500, 128

# Open tabs. One takes some 200 kB besides its images; in a demo, all of them wait for the same two cores.
MAX_SESSIONS, DEMO_MAX_SESSIONS = 500, 150

# Share of the memory that this process may use which loaded models may take; the rest is for the server,
# uploads, and the transient peak while a model compiles.
BUDGET_SHARE = 0.6

# What a server without any model takes (Streamlit, Altair, OpenVINO's library): measured, rounded up.
SERVER_BYTES = 350 * MIB

# The site that shows a Space in a frame.
SPACES = "https://huggingface.co"

# How default models compute: in float32, as Keras does, or in 8-bit integers.
PRECISIONS = ("exact", "compact")

# Where models run: in the process that serves, or behind Ray Serve on a cluster.
ENGINES = LOCAL, RAY = ("local", "ray")

# A host name or a source, with a wildcard where it begins; no space or semicolon, which would end it in a header.
_WORD = re.compile(r"(https?://)?(\*|(\*\.)?[\w.-]+|\[[0-9a-f:]+\])(:\d+)?", re.ASCII | re.IGNORECASE)

# A token of the API, as RFC 6750 has it, long enough not to be guessed.
MIN_TOKEN = 16
_TOKEN = re.compile(rf"[\w.~+/-]{{{MIN_TOKEN},}}=*", re.ASCII)

SETTINGS = {
    "IMGREC_HOME": ("Folder for compiled models, runs and records", "~/.cache/imgrec"),
    "KERAS_HOME": ("Folder under which Keras keeps weights (`models/`)", "~/.keras"),
    "IMGREC_MEMORY_MIB": ("Memory for loaded models", "60 % of what the process may use"),
    "IMGREC_MAX_UPLOAD_MIB": ("Largest image accepted", "20 (8 in demo mode)"),
    "IMGREC_SESSION_MIB": ("Uploads, and as much of decoded images, kept for one browser tab", "100 (64 in demo mode)"),
    "IMGREC_SESSIONS_MIB": ("The same for all tabs together", "500 (128 in demo mode)"),
    "IMGREC_MAX_SESSIONS": ("Tabs that may be open; further visitors are asked to wait", "500 (150 in demo mode)"),
    "IMGREC_OFFLINE": ("1: never use the network", "0"),
    "IMGREC_DEMO": ("1: limits for a public demo on a 1 GiB host", "0"),
    "IMGREC_GOOGLE_VISION_KEY": ("Key to ask Google Cloud Vision on request; without one it is never asked", "none"),
    "IMGREC_GOOGLE_VISION_MONTHLY": ("Images a month that may be sent to it; Google charges above 1,000", "1000"),
    "IMGREC_HOSTS": (
        "Names that the server answers to, by commas; `*.example.org`, `*` for all",
        "localhost, its addresses",
    ),
    "IMGREC_API_TOKENS": (
        "Tokens of the API, by commas, each of 16 characters or more; with them it asks for one",
        "none",
    ),
    "IMGREC_API_ORIGINS": ("Sites whose pages may use the API, by commas, such as `https://example.org`", "none"),
    "IMGREC_METRICS": ("Port, or address with port, on which Prometheus finds `/metrics`", "none"),
    "IMGREC_FRAMES": ("Sites that may show the pages in a frame, by commas", "none; in a Space Hugging Face's"),
    "IMGREC_PRECISION": (
        "exact or compact: whether default models compute in float32, or their twins in 8-bit integers",
        "exact, or what was chosen on the Models page",
    ),
    "IMGREC_CALIBRATION": ("Folder of images that compact models are made with", "crops of the sample gallery"),
    "IMGREC_ENGINE": ("local, or ray: the models of a server run behind Ray Serve", "local"),
    "IMGREC_RAY_ADDRESS": (
        "Address of that cluster, such as `head.example.org:6379`",
        "none: processes of this machine",
    ),
    "IMGREC_WEIGHTS_URL": ("Mirror to fetch weights from, instead of Keras' own address", "none"),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in the environment, checked once.

    `memory_bytes` is the budget for loaded models; `session_bytes` is the limit on what waits of one tab's uploads, and
    on its decoded images, `sessions_bytes` that of all tabs together, `max_sessions` that of open tabs; `home` and
    `keras_home` need not exist yet. `hosts` are names beside the server's own, `frames` sources as
    Content-Security-Policy has them. Hugging Face sets SPACE_HOST in a Space. `metrics` is the address and the port
    where figures of the process are served, None for nowhere. `precision` is one of `PRECISIONS`, or None where none
    was set. `engine` is one of `ENGINES`, `ray_address` the cluster's, None for one on this machine.
    """

    home: Path
    keras_home: Path
    memory_bytes: int
    max_upload_bytes: int
    session_bytes: int
    sessions_bytes: int
    max_sessions: int
    offline: bool
    demo: bool
    weights_url: str | None
    google_vision_key: str | None = field(default=None, repr=False)
    google_vision_monthly: int = GOOGLE_VISION_MONTHLY
    hosts: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    precision: str | None = None
    calibration: Path | None = None
    api_tokens: tuple[str, ...] = field(default=(), repr=False)
    api_origins: tuple[str, ...] = ()
    metrics: tuple[str, int] | None = None
    engine: str = LOCAL
    ray_address: str | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> "Settings":
        """Read the variables of `SETTINGS`; raises `SettingError` on a value that cannot be meant."""
        demo = _flag(env, "IMGREC_DEMO")
        return cls(
            home=Path(env.get("IMGREC_HOME") or "~/.cache/imgrec").expanduser(),
            keras_home=Path(env.get("KERAS_HOME") or "~/.keras").expanduser(),
            memory_bytes=_mebibytes(env, "IMGREC_MEMORY_MIB", default=None) or default_budget_bytes(),
            max_upload_bytes=_mebibytes(
                env, "IMGREC_MAX_UPLOAD_MIB", default=DEMO_MAX_UPLOAD_MIB if demo else MAX_UPLOAD_MIB
            ),
            session_bytes=_mebibytes(env, "IMGREC_SESSION_MIB", default=DEMO_SESSION_MIB if demo else SESSION_MIB),
            sessions_bytes=_mebibytes(env, "IMGREC_SESSIONS_MIB", default=DEMO_SESSIONS_MIB if demo else SESSIONS_MIB),
            max_sessions=_positive(env, "IMGREC_MAX_SESSIONS", default=DEMO_MAX_SESSIONS if demo else MAX_SESSIONS),
            offline=_flag(env, "IMGREC_OFFLINE"),
            demo=demo,
            weights_url=env.get("IMGREC_WEIGHTS_URL") or None,
            google_vision_key=env.get("IMGREC_GOOGLE_VISION_KEY", "").strip() or None,
            google_vision_monthly=_count(env, "IMGREC_GOOGLE_VISION_MONTHLY", GOOGLE_VISION_MONTHLY),
            hosts=_words(env, "IMGREC_HOSTS") + _words(env, "SPACE_HOST"),
            precision=_one_of(env, "IMGREC_PRECISION", PRECISIONS),
            calibration=Path(folder).expanduser() if (folder := env.get("IMGREC_CALIBRATION")) else None,
            frames=_words(env, "IMGREC_FRAMES") + ((SPACES,) if env.get("SPACE_HOST") else ()),
            api_tokens=_tokens(env, "IMGREC_API_TOKENS"),
            api_origins=_origins(env, "IMGREC_API_ORIGINS"),
            metrics=_address(env, "IMGREC_METRICS"),
            engine=_one_of(env, "IMGREC_ENGINE", ENGINES) or LOCAL,
            ray_address=env.get("IMGREC_RAY_ADDRESS", "").strip() or None,
        )

    def folders(self) -> dict[Path, str]:
        """Return the folders of this machine that sentences may name, and what each is called for a stranger."""
        return {
            self.home: "IMGREC_HOME",
            self.keras_home: "KERAS_HOME",
            ROOT: "imgrec",
            Path(sys.prefix): "python",
            Path(tempfile.gettempdir()): "tmp",
            Path.home(): "~",
        }


def default_budget_bytes() -> int:
    """`BUDGET_SHARE` of what the process may use, after the server's own share; at least 64 MiB."""
    usable = int((available_memory_bytes() - SERVER_BYTES) * BUDGET_SHARE)
    return max(usable, 64 * MIB)


def available_memory_bytes(cgroup: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")) -> int:
    """Memory that this process may really use: its control group's limit, or the machine's RAM if smaller.

    Reads control groups v2 (`memory.max`) and v1 (`memory.limit_in_bytes`), the group of this process and
    each group above it; where neither is to be had (macOS, Windows), the machine's RAM.
    """
    limits = [_machine_bytes(meminfo)]
    for file in [*_cgroup_files(cgroup)]:
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            limits.append(int(text))
    return min(limits)


def _cgroup_files(cgroup: Path) -> list[Path]:
    """Return the limit files of this process' control group and of its ancestors."""
    files = [cgroup / "memory.max", cgroup / "memory" / "memory.limit_in_bytes"]
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return files
    for line in lines:
        _, controllers, path = line.split(":", 2)
        here = Path(path.lstrip("/"))
        for group in [here, *here.parents]:
            if controllers == "":
                files.append(cgroup / group / "memory.max")
            elif "memory" in controllers.split(","):
                files.append(cgroup / "memory" / group / "memory.limit_in_bytes")
    return files


def _machine_bytes(meminfo: Path) -> int:
    try:
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    # Windows names no figure without a further library; 4 GiB is less than any machine sold today has.
    return 4 * 1024 * MIB


def _flag(env: Mapping[str, str], name: str) -> bool:
    value = env.get(name, "").strip().lower()
    if value in {"", "0", "false", "no"}:
        return False
    if value in {"1", "true", "yes"}:
        return True
    raise SettingError(f"Expected {name} to be 0 or 1. Received: {value!r}.")


def _one_of(env: Mapping[str, str], name: str, known: tuple[str, ...]) -> str | None:
    value = env.get(name, "").strip().lower() or None
    if value is None or value in known:
        return value
    raise SettingError(f"Expected {name} to be {' or '.join(known)}. Received: {value!r}.")


def _count(env: Mapping[str, str], name: str, default: int) -> int:
    value = env.get(name, "").strip()
    if value and not value.isdecimal():
        raise SettingError(f"Expected {name} to be a whole number. Received: {value!r}.")
    return int(value) if value else default


def _words(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in env.get(name, "").split(",") if word.strip())
    if odd := [word for word in words if not _WORD.fullmatch(word)]:
        raise SettingError(f"Expected {name} to be names separated by commas. Received: {odd[0]!r}.")
    return words


def _tokens(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return bearer tokens; none of them is repeated in a sentence."""
    tokens = tuple(word.strip() for word in env.get(name, "").split(",") if word.strip())
    if any(not _TOKEN.fullmatch(token) for token in tokens):
        expected = f"{MIN_TOKEN} or more letters, digits and -._~+/= each"
        raise SettingError(f"Expected {name} to be tokens of {expected}. Received: a shorter or another one.")
    return tokens


def _origins(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return origins as browsers send them, in lower case."""
    origins = tuple(word.lower() for word in _words(env, name))
    if odd := [origin for origin in origins if "://" not in origin or "*" in origin]:
        raise SettingError(f"Expected {name} to be origins such as https://example.org. Received: {odd[0]!r}.")
    return origins


def _address(env: Mapping[str, str], name: str) -> tuple[str, int] | None:
    """Return an address and a port; of a port alone, this machine's own address."""
    value = env.get(name, "").strip()
    if not value:
        return None
    host, _, port = value.rpartition(":")
    if not (port.isdecimal() and port.isascii() and 0 < int(port) < 65_536):
        raise SettingError(f"Expected {name} to be a port, or an address with a port. Received: {value!r}.")
    return host.strip("[]") or "127.0.0.1", int(port)


def _mebibytes(env: Mapping[str, str], name: str, default: int | None) -> int:
    """Bytes from a whole number of MiB; `default` (in MiB) where unset, 0 for none."""
    return _positive(env, name, default or 0, " of MiB") * MIB


def _positive(env: Mapping[str, str], name: str, default: int, unit: str = "") -> int:
    """Return a whole number above 0; `default` where unset."""
    value = env.get(name, "").strip()
    if not value:
        return default
    if not value.isdigit() or int(value) == 0:
        raise SettingError(f"Expected {name} to be a whole number{unit} above 0. Received: {value!r}.")
    return int(value)
