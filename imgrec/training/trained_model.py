"""A new model measured as `imgrec evaluate` does, so that it stands on the Benchmarks page at once.

On the set's own test part, if it has one; else on the training images that were held back from it. What a network
has learned says nothing about it.
"""

import shlex

import numpy as np

from imgrec import jobs
from imgrec.data.dataset import ArrayDataset, Dataset
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.errors import ImgrecError
from imgrec.evaluation import artifacts, evaluate
from imgrec.models import cards
from imgrec.predictions.labels import LabelSpace
from imgrec.settings import Settings

# What a reader of numbers on such a part must know.
FLAWS = {
    "validation": "Held back from training, but looked at after every epoch: a test part would be stricter.",
    "test": "Held back from training by imgrec, as the set has no test part of its own.",
}


def rank(
    card: cards.Card,
    data: ArrayDataset,
    worker: jobs.Worker,
    settings: Settings,
    *,
    held_out: np.ndarray,
    seed: int,
    part: str = "validation",
) -> None:
    """Measure the model of `card` on the test part of `data`, or where it has none, on its images `held_out`.

    These are int64 (K,) indices into `data.train`, dealt with `seed`; `part` is a key of `FLAWS`. Without any, or when
    measuring fails, a sentence is told as `unmeasured`: the model is there whatever becomes of this.
    """
    if data.test is None and not len(held_out):
        worker.tell("unmeasured", sentence="It learned from every image, so none is left to measure it on.")
        return
    spec = cards.load_catalog(settings).get_spec(card.name)
    source = worker.job.configuration["data"]
    try:
        measured = open_evaluation_split(source, settings)
        command = shlex.join(["imgrec", "evaluate", "--data", source, "--models", card.name])
        if data.test is None:
            # No command deals these images again.
            measured, command = part_of(measured, data, held_out, spec.get_label_space(), part, seed), ""
        evaluate.evaluate(
            spec,
            measured,
            settings,
            artifacts.own_folder(settings),
            command=command,
            on_progress=lambda done, count: worker.check(),
        )
    except (ImgrecError, jobs.CanceledJobError) as error:
        worker.tell("unmeasured", sentence=str(error))


def part_of(whole: Dataset, data: ArrayDataset, chosen: np.ndarray, space: LabelSpace, part: str, seed: int) -> Dataset:
    """Return the images `chosen` (K,) of `data.train`, as they lie in `whole`, which is the same set, and in its order.

    `space` has the classes of `data`. The name has the seed and the count: images that were dealt otherwise are
    another set. Raises `InputError` when `whole` has none of them.
    """
    ids = data.files or tuple(f"{i:05d}" for i in range(len(data.train)))
    targets = {ids[i]: int(data.train.targets[i]) for i in chosen.tolist()}
    kept = [i for i, name in enumerate(whole.ids) if name in targets]
    return whole.take(
        kept,
        name=f"{part} part of {whole.name} (seed {seed}, {len(kept):,} images)",
        label_space=space,
        targets=tuple(targets[whole.ids[i]] for i in kept),
        flaws=(FLAWS[part], *whole.flaws),
    )
