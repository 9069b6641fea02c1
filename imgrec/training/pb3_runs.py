"""The runs of the protocol of PB3, one after another, in a folder of their own.

    OUT/
    ├── plan.json        the settings and the images
    ├── runs/<stage>/    the run of each stage, as any other
    ├── report.json      all tables
    └── report.md        the same to be read

The models join the catalog. A protocol that was stopped goes on when it is started again with the same folder.
"""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from imgrec import json_files
from imgrec.data.sources import DATASETS
from imgrec.errors import ImgrecError, InputError
from imgrec.files import replacing, storage_errors, typed_path
from imgrec.jobs import Job
from imgrec.models import cards, weights
from imgrec.models.cards import Card
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import Settings
from imgrec.training import training_job, transfer_job
from imgrec.training.pb3 import Protocol, Stage

PLAN = "plan.json"

# Takes the place of a second network whose weights are not to be had.
STAND_IN = "efficientnet_lite0"

# Letters of the name of a dataset in the names of its models.
NAME_LENGTH = 20


def second_network(wanted: str, settings: Settings) -> tuple[str, str]:
    """Return the network `wanted` or, where its weights cannot be had, the stand-in with a sentence that says why."""
    spec = BUILT_IN.get_spec(wanted)
    if weights.locate(spec, settings) is not None:
        return wanted, ""
    try:
        weights.fetch(spec, settings)
    except ImgrecError as error:
        stand_in = BUILT_IN.get_spec(STAND_IN)
        if weights.locate(stand_in, settings) is None:
            raise
        return STAND_IN, f"{stand_in.title} stands in for {spec.title}, whose weights were not to be had. {error}"
    return wanted, ""


class ProtocolRuns:
    """The runs of `protocol` on the images `data`, in `folder`; models are called `prefix`_<stage>.

    Raises `InputError` when the folder holds another protocol, or there are no such images.
    """

    def __init__(self, protocol: Protocol, data: str, settings: Settings, folder: Path, prefix: str = "") -> None:
        training_job.check_source(data)
        self.protocol, self.data, self.folder = protocol, data, folder
        self.prefix = prefix or f"pb3_{slug(data)}"
        self._settings = settings
        source = data if data in DATASETS else str(typed_path(data).resolve())
        self._plan: dict[str, Any] = {"protocol": asdict(protocol), "data": source, "prefix": self.prefix}
        path = folder / PLAN
        if path.exists() and json_files.read(path) != json.loads(json.dumps(self._plan)):
            raise InputError(
                f"Expected the settings and the images that the protocol in {folder} began with. Received: others; "
                "choose another folder with --out."
            )

    def begin(self) -> None:
        """Write the plan; raises `StorageError`."""
        path = self.folder / PLAN
        with storage_errors(path):
            self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as beside:
            beside.write_text(json.dumps(self._plan, indent=1) + "\n", encoding="utf-8")

    def job(self, stage: Stage) -> Job:
        """Return the run of a stage at work, or finished: started, or gone on with."""
        folder = self.folder / "runs" / stage.name
        if not (folder / "job.json").exists():
            return transfer_job.start(
                stage.config, self.data, self._settings, name=f"{self.prefix}_{stage.name}", folder=folder
            )
        job = Job(folder)
        state = job.state if job.state == "finished" else job.settle()
        if state not in {"queued", "running", "finished"}:
            training_job.resume(job)
        return job

    def done(self) -> dict[str, Card]:
        """Return the cards of the finished stages, by the names of these."""
        found = {}
        for path in sorted((self.folder / "runs").glob("*/job.json")):
            job = Job(path.parent)
            finished = training_job.read_curves(job).finished if job.state == "finished" else None
            if finished is not None:
                found[path.parent.name] = cards.read(cards.home(self._settings) / f"{finished.name}.json")
        return found


def slug(data: str) -> str:
    """Return what names of models have of the name of a dataset.

    >>> slug("/data/Linnaeus 5/"), slug("cifar10")
    ('linnaeus_5', 'cifar10')
    """
    return re.sub(r"[^a-z0-9]+", "_", Path(data).name.lower()).strip("_")[:NAME_LENGTH].strip("_") or "images"
