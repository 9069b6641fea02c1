"""Repeat printed protocols of transfer learning: `python -m bench.protocols DATA [PART …]`, into assets/protocols/.

DATA is a folder with `catsdogs/` (training_set, test_set) and `flowers5/` (split.csv) in it. Weights that are not on
this machine are fetched. Parts:

`pb3`: the whole protocol of PB3 on the flowers, since its Linnaeus 5 could not be had.
`heads`: its three heads on MobileNet, too.
`three_ways`: from scratch, pretrained, a head on 64 images: the question of Capstone #3.
`frozen`: a head on all images of cats and dogs, as A Comparison of CNNs wanted it.
`resnet50`: its ResNet50 itself, where the weights are here.
`lite`: two of these with EfficientNet-Lite0 in MobileNet's place.
`networks`: those of Springboard Capstone 2 that need no pretrained weights, on CIFAR-10.
`upsampled`: its transfer on enlarged images, scaled to minutes.

The full titles of these works are in assets/reference_tables.json; each table is shown beside the printed one.

Every model is measured as `imgrec evaluate` does as well; its row is in assets/benchmarks/. Models that are in
IMGREC_HOME from an earlier call are not trained again.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import committed
from bench.committed import FLOWERS, MEASUREMENTS, Measurement
from bench.few_images import few_cats_and_dogs, few_cifar10
from imgrec import jobs
from imgrec.evaluation import reference_tables, stored_predictions
from imgrec.formatting import duration, integer
from imgrec.models import cards, weights
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ASSETS, Settings
from imgrec.training import pb3_report, training_job, transfer_config, transfer_job
from imgrec.training.pb3 import Protocol, head_stages, next_stage, rate_stages, second_model
from imgrec.training.pb3_runs import ProtocolRuns
from imgrec.training.pb3_tables import four, spread
from imgrec.training.published_logs import read_published
from imgrec.training.recipes import get_recipe
from imgrec.training.training_log import VALIDATION
from imgrec.training.transfer_config import TransferConfig

TABLES = ASSETS / "protocols"

FOLDS = Protocol().folds

# Titles of the printed tables in assets/reference_tables.json.
WAYS_TITLE = "Three ways to a classifier"
CATS_AND_DOGS_TITLE = "Cats and dogs, asked of networks for other classes"
SEVEN_MODELS_TITLE = "Seven models on CIFAR-10"
TWO_NETWORKS_TITLE = "Table 14: two networks on 2,000 test images"

BACKBONE = "mobilenet"
LITE = "efficientnet_lite0"

CATS_AND_DOGS = MEASUREMENTS["catsdogs"]

# Springboard Capstone 2: the networks of its table that were trained from scratch; recipes have their settings.
FROM_SCRATCH = ("simple_cnn", "tuned_cnn_6", "tuned_cnn_5")

OTHER_IMAGES = (
    "Linnaeus 5, of which the printed figures are, could not be had. These images are as soft as if they had been "
    "enlarged from 32 px, and their classes closer to each other."
)


def pb3(data: Path, settings: Settings) -> None:
    """Carry out the protocol of PB3 as `imgrec protocol` does, EfficientNet-Lite0 in ResNet50's place."""
    protocol = Protocol(second=LITE)
    folder = settings.home / "protocols" / "flowers"
    runs = ProtocolRuns(protocol, str(data / FLOWERS.data), settings, folder, "flowers")
    runs.begin()
    while (stage := next_stage(protocol, done := runs.done())) is not None:
        await_end(stage.name, runs.job(stage))
    command = f"imgrec protocol pb3 --data {FLOWERS.data} --second {LITE}"
    remark = "EfficientNet-Lite0 stands in for ResNet50, whose weights could not be had."
    pb3_report.write(folder, protocol, done, settings, command=command, remark=remark)
    report = json.loads((folder / pb3_report.JSON).read_text(encoding="utf-8"))
    report["provenance"]["flowers"] = OTHER_IMAGES
    (TABLES / "pb3_flowers.json").write_text(
        json.dumps({"beside": TWO_NETWORKS_TITLE} | report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    for stage in (*rate_stages(protocol), second_model(protocol, done)):
        measure(done[stage.name].name, FLOWERS, settings, "pb3")


def heads(data: Path, settings: Settings) -> None:
    """PB3's other comparison: variants of the head under a stepped learning rate, by five folds."""
    rows = []
    for stage in head_stages(Protocol(second=BACKBONE)):
        name = stage.config.head
        card = fine_tune(stage.config, data / FLOWERS.data, f"flowers_head_{name}", settings)
        row = measure(f"flowers_head_{name}", FLOWERS, settings, "heads")
        [mean] = card.fields["learning_rates"]
        rows.append(
            [
                transfer_config.HEADS[name].title,
                f"{transfer_config.HEADS[name].parameters(1024, 5):,}",
                *(four(trial["validation_accuracy"]) for trial in card.fields["trials"]),
                spread(mean, "validation_accuracy"),
                spread(mean, "validation_loss"),
                three(row),
            ]
        )
    write(
        "heads_flowers",
        title="Three heads under a stepped learning rate, on flowers (after Table 11 of the same work)",
        beside=TWO_NETWORKS_TITLE,
        columns=[
            "Head",
            "Parameters",
            *(f"Fold {number}" for number in range(1, FOLDS + 1)),
            "Validation accuracy, mean",
            "Validation loss, mean",
            "Accuracy, 860 test images",
        ],
        rows=rows,
        provenance=provenance(card, "flowers5, 3,457 + 860 images of 5 classes", "heads"),
        note="Learning rate 0.001, a tenth of it after each five epochs, 20 epochs, frozen MobileNet. Printed for the "
        "chosen head on ResNet50, whose weights could not be had: validation accuracy .9758, .9742, .9717, .9633, "
        f".9650 and loss .3281 to .3684. {OTHER_IMAGES}",
    )


def three_ways(data: Path, settings: Settings) -> None:
    """Repeat what Capstone #3 compared: a network from scratch, a pretrained one, a head on few images."""
    recipe = get_recipe("cats_dogs_cnn")
    scratch = train(recipe.name, str(data / CATS_AND_DOGS.data), "cats_dogs_scratch", settings)
    few = few_cats_and_dogs(data / CATS_AND_DOGS.data, settings)
    transfer = TransferConfig(BACKBONE, pooling=None, learning_rates=(1e-3,), epochs=20, batch_size=16)
    trained = fine_tune(transfer, few, "cats_dogs_64", settings, features_anew=True)
    pretrained = measure_pretrained(settings)
    learned, held_out = (trained.fields["data"][key] for key in ("trained_on", "validated_on"))
    features = sum(part["seconds"] for part in trained.fields["features"] if part["part"] == "train")
    rows = [
        [
            f"From scratch ({recipe.title}, {scratch.fields['model']['parameters']:,} parameters)",
            f"{scratch.fields['data']['trained_on']:,}",
            duration(scratch.training_seconds),
            three(measure("cats_dogs_scratch", CATS_AND_DOGS, settings, "three_ways")),
            "CNN from scratch, 50,000 images of CIFAR-10, 1298 s: somewhat accurate",
        ],
        [
            f"Pretrained ({BUILT_IN.get_spec(BACKBONE).title}, its ImageNet classes rolled up to cat and dog)",
            "none",
            "none",
            three(pretrained),
            "VGG16: more accurate",
        ],
        [
            f"Fine-tuned ({BUILT_IN.get_spec(BACKBONE).title}'s features, one dense layer)",
            f"{learned + held_out} ({learned} learned from, {held_out} to choose the epoch)",
            f"{features + trained.fields['trials'][0]['seconds']:.2f} s",
            three(measure("cats_dogs_64", CATS_AND_DOGS, settings, "three_ways")),
            "VGG16's features and a small head, 64 images, 2.45 s: most accurate",
        ],
    ]
    write(
        "three_ways_to_cats_and_dogs",
        title="Three ways to tell cats from dogs",
        beside=WAYS_TITLE,
        columns=["Way", "Training images", "Training time", "Accuracy, 2,000 test images", "As printed"],
        rows=rows,
        provenance=provenance(trained, "cats and dogs, 8,000 + 2,000 images", "three_ways"),
        note="One test set for all three, which the printed comparison did not have. The trained one's time is that of "
        "its features and its head. For the pretrained one, what is neither cat nor dog counts as wrong. "
        "The test images are small (a short side of 112 px or less).",
    )


def frozen(data: Path, settings: Settings) -> None:
    """Train what A Comparison of CNNs could not finish: one dense layer on a frozen backbone, all cats and dogs."""
    transfer = TransferConfig(BACKBONE, learning_rates=(1e-2, 1e-3, 1e-4), folds=FOLDS, epochs=20, batch_size=32)
    card = fine_tune(transfer, data / CATS_AND_DOGS.data, "cats_dogs_frozen", settings, features_anew=True)
    row = measure("cats_dogs_frozen", CATS_AND_DOGS, settings, "frozen")
    pretrained = measure_pretrained(settings)
    features = sum(part["seconds"] for part in card.fields["features"])
    heads = sum(trial["seconds"] for trial in card.fields["trials"]) + card.training_seconds
    write(
        "frozen_backbone_cats_and_dogs",
        title="A frozen backbone trained on cats and dogs",
        beside=CATS_AND_DOGS_TITLE,
        columns=["What", "Here", "As printed"],
        rows=[
            ["Backbone", BUILT_IN.get_spec(BACKBONE).title, "ResNet50 (23,589,761 parameters, 2,049 of them trained)"],
            ["Trained parameters", f"{transfer_config.HEADS['linear'].parameters(1024, 2):,}", "2,049"],
            ["Time for features, once", duration(features), "more than a day an epoch; never finished"],
            [f"Time for {len(card.fields['trials'])} trials and the final head", duration(heads), "–"],
            ["Test accuracy, 2,000 images", three(row), "–"],
            ["The same backbone, pretrained, rolled up", three(pretrained), "MobileNet: 75 % of cats, 90 % of dogs"],
        ],
        provenance=provenance(card, "cats and dogs, 8,000 + 2,000 images", "frozen"),
        note="ResNet50's weights could not be had where this was measured, so MobileNet stands in for it; the printed "
        "network itself is built and counted by a test.",
    )


def resnet50(data: Path, settings: Settings) -> None:
    """Measure what A Comparison of CNNs asked of ResNet50, as soon as its weights are here: rolled up, and trained."""
    spec = BUILT_IN.get_spec("resnet50")
    if weights.locate(spec, settings) is None:
        print(f"{spec.title}: its weights are not here (imgrec fetch {spec.name})", flush=True)
        return
    found = CATS_AND_DOGS.open(settings)
    committed.measure(spec, found, CATS_AND_DOGS.framing, settings, committed.command_of(found.name, spec.name))
    transfer = TransferConfig(spec.name, learning_rates=(1e-2, 1e-3, 1e-4), folds=FOLDS, epochs=20, batch_size=32)
    fine_tune(transfer, data / CATS_AND_DOGS.data, "cats_dogs_resnet50", settings, features_anew=True)
    measure("cats_dogs_resnet50", CATS_AND_DOGS, settings, "resnet50")


def lite(data: Path, settings: Settings) -> None:
    """Two of the runs above with EfficientNet-Lite0, beside the committed rows of MobileNet."""
    flowers = TransferConfig(LITE, learning_rates=(1e-3,), step_epochs=5, folds=FOLDS, epochs=20, batch_size=32)
    cats_dogs = TransferConfig(LITE, learning_rates=(1e-2, 1e-3, 1e-4), folds=FOLDS, epochs=20, batch_size=32)
    rows = []
    for transfer, wanted, name, beside in (
        (flowers, FLOWERS, "flowers_lite0", "flowers_head_linear"),
        (cats_dogs, CATS_AND_DOGS, "cats_dogs_lite0", "cats_dogs_frozen"),
    ):
        card = fine_tune(transfer, data / wanted.data, name, settings, features_anew=True)
        row = measure(name, wanted, settings, "lite")
        rows_read = stored_predictions.read_summary(committed.FOLDER)["rows"]
        [committed_row] = [one for one in rows_read if (one["model"], one["dataset"]) == (beside, wanted.data)]
        for backbone, found in ((BACKBONE, committed_row), (LITE, row)):
            rows.append([wanted.data, BUILT_IN.get_spec(backbone).title, f"{found['images']:,}", three(found)])
    write(
        "frozen_lite0",
        title="EfficientNet-Lite0 in MobileNet's place",
        beside=CATS_AND_DOGS_TITLE,
        columns=["Dataset", "Frozen backbone", "Test images", "Test accuracy (95 % interval)"],
        rows=rows,
        provenance=provenance(card, "flowers5, 3,457 + 860 images; cats and dogs, 8,000 + 2,000 images", "lite"),
        note="One dense layer on average-pooled features, five folds, 20 epochs: flowers at a learning rate of 0.001 "
        "that falls to a tenth each five epochs, cats and dogs at the best of 0.01, 0.001 and 0.0001. MobileNet's rows "
        "are those of the tables above, of weights restored from 8 bit.",
    )


def networks(data: Path, settings: Settings) -> None:
    """Springboard's networks from scratch, on CIFAR-10; its printed table shows the rows that this measures."""
    for name in FROM_SCRATCH:
        train(name, "cifar10", name, settings)
        measure(name, MEASUREMENTS["cifar10"], settings, "networks")


def upsampled(data: Path, settings: Settings) -> None:
    """Train Springboard's transfer on enlarged images, scaled to what two cores do in minutes."""
    recipe = get_recipe("mobilenet_a025_upsampled")
    card = train(recipe.name, str(few_cifar10(settings)), recipe.name, settings)
    row = measure(recipe.name, MEASUREMENTS["cifar10"], settings, "upsampled")
    learned, held_out = (card.fields["data"][key] for key in ("trained_on", "validated_on"))
    [table] = [one for one in reference_tables.read_published()[0] if one.title == SEVEN_MODELS_TITLE]
    with_head = {row[0]: row[2] for row in table.rows}
    logs = [one for one in read_published() if one.table == table.title and "transfer" in one.log.title]
    epochs = range(recipe.epochs)
    seconds = sum(epoch["seconds"] for epoch in card.curves) / len(card.curves)
    rows = [
        [f"{recipe.title}, here", integer(card.fields["model"]["parameters"]), f"{learned // recipe.batch_size:,}"]
        + [four(card.curves[i]["validation_accuracy"]) for i in epochs]
        + [f"{seconds:,.0f} s, mean", three(row)],
        *(
            [f"{one.log.title}, printed", with_head[one.log.title], "2,000"]
            + [f"{value:.4f}" for value in one.log.epochs[VALIDATION + "accuracy"].tolist()]
            + [f"{one.log.seconds[0]:,.0f} s", one.printed_accuracy]
            for one in logs
        ),
    ]
    write(
        "upsampled_transfer",
        title="Transfer on enlarged images, scaled",
        beside=SEVEN_MODELS_TITLE,
        columns=["Network", "Parameters", "Steps an epoch"]
        + [f"Validation, epoch {i + 1}" for i in epochs]
        + ["Time of an epoch", "Accuracy, 10,000 test images"],
        rows=rows,
        provenance=provenance(
            card, f"CIFAR-10, {learned + held_out:,} training images and 10,000 test images", "upsampled"
        ),
        note="The same architecture, loss, optimizer, learning rate and batch size as printed: the image enlarged, the "
        "backbone trained whole, Flatten, batch normalization, 128 and 64 dense units with dropout. Scaled: MobileNet "
        "with a quarter of its filters in place of ResNet50 and VGG16, images enlarged to 128 px instead of 256, and "
        "a fifth of the steps. The weights of those networks could not be had.",
    )


def fine_tune(
    transfer: TransferConfig, data: Path, name: str, settings: Settings, *, features_anew: bool = False
) -> cards.Card:
    """`features_anew` where their time is shown: what an earlier transfer has left would take none."""

    def start() -> jobs.Job:
        if features_anew:
            shutil.rmtree(settings.home / "features", ignore_errors=True)
        return transfer_job.start(transfer, str(data), settings, name=name)

    return finished(name, settings, start)


def train(recipe: str, data: str, name: str, settings: Settings) -> cards.Card:
    return finished(name, settings, lambda: training_job.start(get_recipe(recipe), data, settings, name=name))


def finished(name: str, settings: Settings, start: Callable[[], jobs.Job]) -> cards.Card:
    """Return the card of the model `name`, trained now unless it is there from an earlier call."""
    path = cards.home(settings) / f"{name}.json"
    if not path.exists():
        await_end(name, start())
    card = cards.read(path)
    print(f"{name}: {card.metrics['accuracy']:.4f} of {card.metrics['pictures']} {card.metrics['set']}", flush=True)
    return card


def await_end(name: str, job: jobs.Job) -> None:
    while job.wait(60) in {"queued", "running"}:
        print(f"{name}: {job.state}", flush=True)
    if job.state != "finished":
        raise SystemExit(f"{name}: {job.stopped_because()}")


def measure(model: str, wanted: Measurement, settings: Settings, part: str) -> dict[str, Any]:
    """Return the row on this set of a `model` that `part` trained."""
    command = f"python -m bench.protocols DATA {part}"
    return committed.measure(
        cards.load_catalog(settings)[model], wanted.open(settings), wanted.framing, settings, command
    )


def measure_pretrained(settings: Settings) -> dict[str, Any]:
    """Return the row of the backbone on cats and dogs, as `bench.committed` writes it."""
    found = CATS_AND_DOGS.open(settings)
    command = committed.command_of(found.name, BACKBONE)
    return committed.measure(BUILT_IN.get_spec(BACKBONE), found, CATS_AND_DOGS.framing, settings, command)


def provenance(card: cards.Card, images: str, part: str) -> dict[str, Any]:
    backbone = card.fields.get("backbone", {})
    restored = ", restored from 8 bit" if committed.note_on(backbone.get("sha256"), None) == committed.RESTORED else ""
    return {
        "images": images,
        "backbone": f"{backbone.get('model')}, weights sha256 {str(backbone.get('sha256'))[:16]}…{restored}",
        "seed": card.fields["seed"],
        "machine": card.fields["machine"],
        "versions": card.fields["versions"],
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"python -m bench.protocols DATA {part}",
    }


def write(name: str, **table: Any) -> None:
    TABLES.mkdir(exist_ok=True)
    (TABLES / f"{name}.json").write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(table["rows"], indent=1, ensure_ascii=False), flush=True)


def three(row: dict[str, Any]) -> str:
    return f"{100 * row['top_1']:.1f} % ({100 * row['top_1_low']:.1f} to {100 * row['top_1_high']:.1f})"


PARTS: dict[str, Callable[[Path, Settings], None]] = {
    "pb3": pb3,
    "heads": heads,
    "three_ways": three_ways,
    "frozen": frozen,
    "resnet50": resnet50,
    "lite": lite,
    "networks": networks,
    "upsampled": upsampled,
}


def main(data: Path, parts: list[str]) -> None:
    settings = Settings.from_env()
    os.chdir(data)  # sources in the summary are names below it
    for part in parts or PARTS:
        PARTS[part](data, settings)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
