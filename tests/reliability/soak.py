"""Hours of mixed use by ten tabs, with a training in the background: no error, and memory that stays.

    python -m tests.reliability.soak [--seconds 7200] [--out FOLDER] [--url URL]

Tabs on Compare, Ensemble, Explain, Contact sheet, Benchmarks and Train, each through the web socket and the upload
route; some leave, and new visitors come. Every ten seconds the server's resident memory, descriptors and threads are
noted: `soak.csv` and the table `soak.md` in FOLDER. Without a URL the driver starts its own server, not as a demo,
which has no training, and trains a small network beside it again and again.
"""

import argparse
import asyncio
import io
import json
import os
import random
import sys
import tempfile
import time
import urllib.parse
import zipfile
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from imgrec.images import gallery
from imgrec.settings import Settings
from imgrec.training import training_job
from imgrec.training.recipes import get_recipe
from tests.reliability import process_samples
from tests.reliability.attacked_server import attacked
from tests.reliability.process_samples import Sample
from tests.reliability.visitor import Visitor, visitor

HOURS_S = 7200.0
SAMPLE_S = 10.0

# Between two actions of a visitor.
THINKS_S = (1.0, 6.0)

# A visit has so many actions; then the tab is closed, and another one opened.
ACTIONS = (8, 25)

SHEET_IMAGES = 60
SHEET_POLLS = 5

# What a page says of a visitor who has given more than one tab may keep: a limit that works.
QUOTA = "These images fill the memory that one tab may use"

# Of 1,500 images: a minute or two on a busy core.
EPOCHS, TRAINED_ON = 40, 1500

Action = Callable[[Visitor, random.Random], Awaitable[None]]


def photograph(chance: random.Random, side_px: int = 1200) -> tuple[str, bytes]:
    """Return name and bytes of a JPEG that no one sent before: a sample image, cut and turned."""
    with Image.open(chance.choice(gallery.get_samples()).path) as opened:
        image = opened.convert("RGB").rotate(chance.uniform(-10, 10))
    left, top = (chance.randrange(max(1, side // 4)) for side in image.size)
    image = image.crop((left, top, *image.size)).resize((side_px, int(side_px * chance.uniform(0.6, 1.4))))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return f"photo-{chance.randrange(10**6)}.jpg", file.getvalue()


def archive(chance: random.Random) -> tuple[str, bytes]:
    """Return name and bytes of a zip of many small images."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for _ in range(SHEET_IMAGES):
            file.writestr(*photograph(chance, 300))
    return "photos.zip", packed.getvalue()


async def compare(who: Visitor, chance: random.Random) -> None:
    """Give Compare a photograph, or look at the one that is there in another way."""
    await who.look("", chance.choice(["", "view=table", "layout=matrix", "rule=rank_vote", "k=3", "framing=squash"]))
    if chance.random() < 0.4:
        await who.give("Drop images here", [photograph(chance) for _ in range(chance.randint(1, 2))])


async def ensemble(who: Visitor, chance: random.Random) -> None:
    """Look at the ensemble of the image."""
    await who.look("ensemble", chance.choice(["", "rule=weighted_mean", "rule=rank_vote", "rule=mean"]))
    if chance.random() < 0.3:
        await who.give("Drop images here", [photograph(chance)])


async def explain(who: Visitor, chance: random.Random) -> None:
    """Look where a small network looks."""
    await who.look("explain", "models=capstone_cnn")


async def contact_sheet(who: Visitor, chance: random.Random) -> None:
    """Drop an archive of many images, and watch the sheet fill."""
    await who.look("contact_sheet")
    await who.give("Drop up to", [await asyncio.to_thread(archive, chance)])
    for _ in range(SHEET_POLLS):
        await asyncio.sleep(2)
        await who.look("contact_sheet")


async def benchmarks(who: Visitor, chance: random.Random) -> None:
    """Look at a view of the measurements."""
    view = chance.choice(["Table", "Chart", "Confusion", "Speed", "Errors", "Agreement"])
    await who.look("benchmarks", urllib.parse.urlencode({"bench_view": view}))


async def train(who: Visitor, chance: random.Random) -> None:
    """Watch the training."""
    await who.look("train")


# One a tab: ten.
TABS: tuple[tuple[Action, ...], ...] = (
    (compare,),
    (compare,),
    (compare, ensemble),
    (ensemble, compare),
    (ensemble, explain),
    (contact_sheet,),
    (contact_sheet, compare),
    (benchmarks,),
    (benchmarks, compare),
    (train, benchmarks),
)


class Soak:
    """What the visitors of a run have done and seen."""

    def __init__(self, address: str, seconds: float) -> None:
        self.address = address
        self.end = time.monotonic() + seconds
        self.runs = 0
        self.errors: list[str] = []
        self.samples: list[Sample] = []

    @property
    def is_over(self) -> bool:
        """Whether the time has passed."""
        return time.monotonic() >= self.end

    async def visit(self, actions: tuple[Action, ...], seed: int) -> None:
        """Keep a tab open, with a new visitor from time to time, until the time has passed."""
        chance = random.Random(seed)  # noqa: S311 (no secret)
        while not self.is_over:
            try:
                async with visitor(self.address) as who:
                    await self._stay(who, actions, chance)
            except Exception as error:  # whatever a visitor meets is a finding, and the others go on
                self.errors.append(f"{type(error).__name__}: {error}"[:300])
                await asyncio.sleep(THINKS_S[0])

    async def _stay(self, who: Visitor, actions: tuple[Action, ...], chance: random.Random) -> None:
        for number in range(chance.randint(*ACTIONS)):
            if self.is_over:
                return
            runs, errors = who.runs, len(who.errors)
            try:
                await actions[number % len(actions)](who, chance)
            finally:
                self.runs += who.runs - runs
                self.errors += [error for error in who.errors[errors:] if QUOTA not in error]
            await asyncio.sleep(chance.uniform(*THINKS_S))

    async def watch(self, server: psutil.Process) -> None:
        """Take a sample every `SAMPLE_S`."""
        start = time.monotonic()
        while not self.is_over:
            seconds = time.monotonic() - start
            self.samples.append(process_samples.take(server, seconds, self.runs, len(self.errors)))
            await asyncio.sleep(SAMPLE_S)

    async def train(self, settings: Settings, folder: Path) -> None:
        """Keep a training in progress; the last one is canceled."""
        rng = np.random.default_rng(0)
        targets = np.arange(TRAINED_ON) % 3
        pixels = (rng.integers(0, 150, (TRAINED_ON, 32, 32, 3)) + 50 * targets[:, None, None, None]).astype(np.uint8)
        path = folder / "brightness.npz"
        np.savez(path, allow_pickle=False, x_train=pixels, y_train=targets, class_names=np.array(["a", "b", "c"]))
        recipe, number = get_recipe("simple_cnn").changed(epochs=EPOCHS), 0
        while not self.is_over:
            number += 1
            job = await asyncio.to_thread(training_job.start, recipe, str(path), settings, name=f"soaked_{number}")
            try:
                while not self.is_over and job.state in {"queued", "running"}:
                    await asyncio.sleep(1)
                if job.state in {"failed", "interrupted"}:
                    self.errors.append(f"training: {job.state}: {job.error}")
            finally:
                job.cancel()
        await asyncio.to_thread(job.wait, 60)


async def run(address: str, seconds: float, home: Path | None) -> Soak:
    """Let the tabs use the server at `address`; with the server's IMGREC_HOME a training runs beside them."""
    soak = Soak(address, seconds)
    server = process_samples.listening(urllib.parse.urlsplit(address).port or 80)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(soak.watch(server))
        for seed, actions in enumerate(TABS):
            tasks.create_task(soak.visit(actions, seed))
        if home is not None:
            settings = Settings.from_env(os.environ | {"IMGREC_HOME": str(home)})
            tasks.create_task(soak.train(settings, home))
    return soak


def soak(seconds: float, url: str | None = None, compiled: Path | None = None) -> tuple[Soak, dict[str, object]]:
    """Run, and return what happened with the verdict; `compiled` has networks that need not be converted again."""
    with tempfile.TemporaryDirectory(prefix="imgrec-soak-") as folder:
        home, log = Path(folder) / "imgrec", Path(folder) / "log.txt"
        home.mkdir()
        if compiled is not None:
            (home / "compiled").symlink_to(compiled, target_is_directory=True)
        with attacked(url, log, IMGREC_HOME=str(home), IMGREC_DEMO="0") as address:
            done = asyncio.run(run(address, seconds, None if url else home))
        said = log.read_text() if url is None else ""
    if "Traceback" in said:
        done.errors.append(said[said.index("Traceback") :][:2000])
    figures = process_samples.judge(done.samples)
    figures["errors"] = len(done.errors)
    if done.errors and "errors" not in figures["broken"]:  # type: ignore[operator]
        figures["broken"] = ["errors", *figures["broken"]]  # type: ignore[misc]
    return done, figures | {"kinds of errors": dict(Counter(done.errors).most_common(10))}


def main() -> int:
    """Soak the server at the given address, or a new one."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.soak")
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("IMGREC_SOAK_S", HOURS_S)))
    parser.add_argument("--out", type=Path, help="folder for soak.csv and soak.md")
    parser.add_argument("--url", help="a server of this machine that runs already")
    asked = parser.parse_args()
    done, figures = soak(asked.seconds, asked.url)
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
        process_samples.write(done.samples, asked.out / "soak.csv")
        text = f"```json\n{json.dumps(figures, indent=2)}\n```\n\n{process_samples.table(done.samples)}\n"
        (asked.out / "soak.md").write_text(text, encoding="utf-8")
    print(json.dumps(figures, indent=2))
    return bool(figures["broken"])


if __name__ == "__main__":
    sys.exit(main())
