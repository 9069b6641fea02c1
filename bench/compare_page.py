"""The script of the Compare page with six models, warm, against an older checkout: `python -m bench.compare_page OLD`.

Both checkouts run in turns, each in a process of its own: the page is rerun as by a visitor, with all six predictions
in the cache, so that what is measured is the page's own code and its charts, without a browser.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import pairs
from imgrec.settings import ROOT

MODELS = (
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "mobilenet",
    "mobilenet_v2",
    "mobilenet_a075_224",
)
ROUNDS = 10
WARM_UP = 3

# Runs in a checkout that may be older than this file.
SIDE = """
import json, sys, time
from pathlib import Path
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

manifest_scanner.scan_component_manifests = list
script = next(path for path in map(Path, ("imgrec/ui/main.py", "imgrec/shell.py")) if path.exists())
app = AppTest.from_file(str(script.resolve()), default_timeout=600)
for name, value in json.loads(sys.argv[2]).items():
    app.query_params[name] = value
while True:
    app.run()
    charts = len(app.get("vega_lite_chart"))
    if charts >= int(sys.argv[1]) or app.exception:
        break
    time.sleep(0.5)
print(json.dumps({"charts": charts, "exceptions": [str(one.value) for one in app.exception]}), flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    app.run()
    print(json.dumps({"ms": (time.perf_counter() - start) * 1e3}), flush=True)
"""


class Side:
    """A checkout in a process that reruns the page on request."""

    def __init__(
        self,
        folder: Path,
        models: Sequence[str] = MODELS,
        charts: int = len(MODELS) + 1,
        query: Mapping[str, str] | None = None,
    ) -> None:
        """Start the process; `charts` is how many stand on the page when every model has answered."""
        link = json.dumps({"models": ",".join(models), **(query or {})})
        self._process = subprocess.Popen(
            [sys.executable, "-c", SIDE, str(charts), link],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.charts = int(self._answer()["charts"])

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        found: dict[str, float] = json.loads(self._process.stdout.readline())
        return found

    def rerun_ms(self) -> float:
        """Return the milliseconds of one rerun."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._answer()["ms"]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def main(old: Path) -> None:
    """Measure both checkouts in turns, and save the medians and their ratio."""
    sides = {"new": Side(ROOT), "old": Side(old)}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(WARM_UP + ROUNDS):
        for name, side in sides.items():
            took = side.rerun_ms()
            if number >= WARM_UP:
                times[name].append(took)
    for side in sides.values():
        side.close()
    commit = subprocess.check_output(["git", "-C", str(old), "rev-parse", "--short", "HEAD"], text=True).strip()
    pairs.save(
        "compare_page",
        {
            "models": len(MODELS),
            "charts": sides["new"].charts,
            "old_commit": commit,
            **{f"{name}_ms": pairs.summary(values) for name, values in times.items()},
            "ratio": pairs.ratio(times["new"], times["old"]),
        },
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Usage: python -m bench.compare_page OLD (a checkout of an older commit)")
    main(Path(sys.argv[1]))
