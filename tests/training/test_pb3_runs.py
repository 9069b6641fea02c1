"""The protocol of PB3 with real runs: random weights, a few images, few epochs; a killed one goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ROOT
from imgrec.training import pb3_report

NETWORK = "mobilenet_a025_128"


@pytest.mark.exhaustive
def test_a_protocol_that_was_interrupted_goes_on_to_its_report(tmp_path: Path) -> None:
    weights = tmp_path / "keras" / "models" / BUILT_IN.get_spec(NETWORK).weights.filename
    weights.parent.mkdir(parents=True)
    code = f"from tests.inference.keras_process import randomize; randomize({NETWORK!r}, {str(weights)!r})"
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    targets = np.arange(80) % 2
    pixels = np.random.default_rng(0).integers(0, 120, (80, 48, 48, 3), dtype=np.uint8)
    pixels[targets == 1, ::8] += 120
    np.savez(tmp_path / "stripes.npz", x_train=pixels, y_train=targets, class_names=np.array(["plain", "rows"]))
    words = ["pb3", "--data", "stripes.npz", "--backbone", NETWORK, "--second", NETWORK, "--out", "out"]
    words += ["--learning-rates", "1e-2", "--folds", "2", "--epochs", "2", "--batch-size", "8", "--tuning-epochs", "1"]
    command = [sys.executable, "-m", "imgrec", "protocol", *words]
    environment = os.environ | {
        "IMGREC_HOME": str(tmp_path / "home"),
        "KERAS_HOME": str(tmp_path / "keras"),
        "IMGREC_OFFLINE": "1",
        "PYTHONPATH": str(ROOT),
    }
    first = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 240
    while not (tmp_path / "out" / "runs" / f"{NETWORK}_linear" / "progress.jsonl").exists():
        assert first.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=120)
    assert first.returncode == 130, err
    assert "stopped; go on with: imgrec protocol pb3 --data stripes.npz" in err
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "stage 2 of 5" in done.stderr
    assert "stage 1 of 5" not in done.stderr, "what is done is not done again"
    report = json.loads((tmp_path / "out" / pb3_report.JSON).read_text())
    tables = {table["title"].split(":")[0]: table for table in report["tables"]}
    # A quarter of each class was held out.
    assert tables["Table 9"]["note"] == "On 20 test images."
    rows = tables["Table 14"]["rows"]
    assert all(row[4].endswith(" ms") for row in rows[:2])
    assert all(0 <= float(row[-1]) <= 1 for row in tables["Table 10"]["rows"] if row[0] == "here")
