"""The Train page: what to learn from, how, and runs while they grow. Everything here only looks at run folders."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from imgrec import cards, datasets, jobs, learning
from imgrec.errors import ImgrecError
from imgrec.jobs import Job
from imgrec.training import runs
from imgrec.training.recipes import MAX_BATCH_SIZE, MAX_EPOCHS, RECIPES, Recipe
from imgrec.ui import resources

# How often a running run is looked at.
POLL_S = 1.0

# Pictures of each class in the sample grid, and in how many changed forms one is shown.
SAMPLES_PER_CLASS = 8
MAX_CLASSES_SHOWN = 12
PREVIEWS = 8

# The picture that is taken apart into numbers is enlarged to this; its values are shown for this corner.
PIXEL_SIDE_PX = 256
CORNER = 6

ICONS = {
    "queued": ":material/hourglass:",
    "running": ":material/model_training:",
    "finished": ":material/check_circle:",
    "failed": ":material/error:",
    "cancelled": ":material/stop_circle:",
    "interrupted": ":material/power_off:",
}

OWN_DATA = "a folder or file of mine"


def recipe_chooser() -> Recipe:
    """Which network, and how long; returns the recipe as changed by the visitor."""
    name = st.selectbox("Recipe", list(RECIPES), format_func=_recipe_title, key="recipe")
    recipe = RECIPES[name]
    st.caption(f"{recipe.about} {recipe.parameters:,} parameters, {recipe.input_size[1]} × {recipe.input_size[0]} px.")
    with st.expander("Epochs, batch size, learning rate", icon=":material/tune:"):
        epochs = st.number_input("Epochs", 1, MAX_EPOCHS, recipe.epochs, key=f"epochs_{name}")
        batch_size = st.number_input("Batch size", 1, MAX_BATCH_SIZE, recipe.batch_size, key=f"batch_{name}")
        rate = st.number_input(
            "Learning rate (peak)",
            1e-6,
            10.0,
            recipe.optimiser.learning_rate,
            format="%g",
            key=f"rate_{name}",
        )
    return recipe.changed(epochs=int(epochs), batch_size=int(batch_size), learning_rate=float(rate))


def data_chooser(recipe: Recipe) -> str:
    """The name of a known set, or a path on this machine; empty while none is given."""
    known = [recipe.dataset] if recipe.dataset else []
    choice = st.selectbox("Pictures", [*known, OWN_DATA], key=f"data_{recipe.name}")
    if choice != OWN_DATA:
        return str(choice)
    return st.text_input(
        "Path",
        placeholder="/home/me/pictures",
        help="A folder with one folder of pictures for each class, a zip or tar of such a folder, or an .npz file.",
        key="data_path",
    ).strip()


def starter(recipe: Recipe, data: str) -> None:
    """The button that starts a run, and the sentence when it cannot be."""
    if resources.settings().demo:
        st.info("This is a public demo: training is for your own machine.", icon=":material/lock:")
        return
    clicked = st.button(
        "Start training", type="primary", icon=":material/play_arrow:", disabled=not data, key="start_training"
    )
    if not clicked:
        return
    try:
        job = runs.start(recipe, data, resources.settings())
    except ImgrecError as error:
        st.error(str(error), icon=":material/error:")
    else:
        st.session_state["run"] = job.name
        st.rerun()


def explorer(recipe: Recipe, data: str) -> None:
    """What the set holds: counts, samples, what the recipe does to a picture, and what a pixel is."""
    if not data or resources.settings().demo:
        return
    if not st.toggle("Look at the pictures", key="explore", help="Reads the whole set once."):
        return
    try:
        view = _explored(data, recipe.input_size)
    except ImgrecError as error:
        st.error(str(error), icon=":material/folder_off:")
        return
    counts, samples, notes = view
    tabs = st.tabs(["Classes", "Samples", "Augmentation", "What a pixel is"])
    with tabs[0]:
        _counts(counts, notes)
    with tabs[1]:
        for label, pictures in list(samples.items())[:MAX_CLASSES_SHOWN]:
            st.image(_row(pictures), caption=label, width="stretch", alt=f"Samples of {label}")
    with tabs[2]:
        _augmented(recipe, samples)
    with tabs[3]:
        _pixel(next(iter(samples.values()))[0])


def run_list() -> None:
    """Every run of this machine, newest first; the chosen one is shown live."""
    cards.register(resources.settings())  # what the command line has trained meanwhile
    found = jobs.all_jobs(resources.settings(), runs.WORKER)
    if not found:
        st.info(
            "No run yet. A run goes on when you close this page, and when the server stops.",
            icon=":material/model_training:",
        )
        return
    names = [job.name for job in found]
    titles = {job.name: f"{job.title} ({job.created_at[:16].replace('T', ' ')})" for job in found}
    if st.session_state.get("run") not in names:
        st.session_state["run"] = names[0]
    name = st.selectbox("Run", names, format_func=lambda name: titles[name], key="run")
    job = next(job for job in found if job.name == name)
    moving = job.state in {"queued", "running"}
    st.fragment(_watch, run_every=POLL_S if moving else None)(job, moving)


def trained() -> None:
    """Every model that was trained here, the bundled ones too: one table, and the curves of the one chosen."""
    found = cards.all_cards(resources.settings())
    if not found:
        return
    st.subheader("Trained models", anchor=False)
    st.dataframe(
        [learning.card_row(card) for card in found],
        hide_index=True,
        alt="Every model that was trained here, with parameters, time and accuracy",
        column_config={
            "Parameters": st.column_config.NumberColumn(format="localized"),
            "Pictures": st.column_config.NumberColumn(format="localized", help="It was trained on"),
            "Training time": st.column_config.TextColumn(help="The sum of its epochs, from its log"),
            "Accuracy": st.column_config.NumberColumn(format="percent"),
        },
    )
    by_name = {card.name: card for card in found}
    name = st.selectbox("Curves of", list(by_name), key="trained")
    card = by_name[name]
    _curves(learning.curves_of(card), "card")
    metrics = card.metrics
    _matrix(metrics["confusion"], card.classes, metrics["set"], "card")
    with st.expander("The whole card", icon=":material/description:"):
        st.json(card.fields, expanded=1)


def _watch(job: Job, was_moving: bool) -> None:
    """One run: state, line of figures, curves, confusion matrix, and what can be done."""
    state = job.state
    if was_moving and state not in {"queued", "running"}:
        cards.register(resources.settings())
        st.rerun()
    curves = runs.read_curves(job)
    with st.container(border=True, key="run_panel"):
        st.markdown(f"{ICONS[state]} **{state.capitalize()}** :gray[{learning.status(curves, state)}]")
        if curves.plan is not None and was_moving:
            done = sum(1 for _ in curves.epochs) / curves.plan["epochs"]
            last = curves.steps[-1] if curves.steps else None
            if last is not None and last["epoch"] > len(curves.epochs):
                done += last["step"] / curves.plan["steps"] / curves.plan["epochs"]
            st.progress(min(done, 1.0))
        if job.error:
            st.error(job.error, icon=":material/error:")
        if state == "interrupted":
            st.warning(
                "The worker ended without a word: it was killed, or the machine went down. "
                "Everything up to its last checkpoint is kept.",
                icon=":material/power_off:",
            )
        if curves.finished is not None:
            st.success(
                f"**{curves.finished['name']}** is in the catalogue: {learning.outcome(curves)}.",
                icon=":material/check_circle:",
            )
        _left_out(curves)
        _buttons(job, state)
        if curves.steps or curves.epochs:
            _curves(curves, "run")
        if curves.epochs and curves.data is not None:
            st.markdown(f"**After epoch {curves.epochs[-1]['epoch']}**")
            _matrix(curves.epochs[-1]["confusion"], curves.data["classes"], "validation", "run")


def _curves(curves: runs.Curves, key: str) -> None:
    with st.grid(2, min_column_width=320):
        for quantity in learning.QUANTITIES:
            st.vega_lite_chart(
                learning.curve_chart(curves, quantity),
                theme=None,
                alt=learning.describe_curve(curves, quantity),
                key=f"{key}_curve_{quantity}",
            )


def _buttons(job: Job, state: str) -> None:
    if state in {"queued", "running"}:
        st.button("Stop", icon=":material/stop:", key="stop_run", on_click=job.cancel)
    elif state != "finished" and st.button(
        "Go on from the last checkpoint", icon=":material/resume:", key="resume_run"
    ):
        try:
            job.resume()
        except ImgrecError as error:
            st.error(str(error), icon=":material/error:")
        else:
            st.rerun()


def _left_out(curves: runs.Curves) -> None:
    if curves.data is None or not curves.data["left_out"]:
        return
    with st.expander(f"{curves.data['left_out']:,} files were left out", icon=":material/warning:"):
        for note in curves.data["notes"]:
            st.markdown(f"- {note}")


def _matrix(matrix: Sequence[Sequence[int]], classes: Sequence[str], kind: str, key: str) -> None:
    """A confusion matrix as a chart while it can be read, and else as a table."""
    words = learning.describe_confusion(matrix, classes, kind)
    st.markdown(words)
    if len(classes) <= learning.MAX_MATRIX_CLASSES:
        st.vega_lite_chart(learning.confusion_chart(matrix, classes), theme=None, alt=words, key=f"{key}_confusion")
    else:
        st.dataframe(
            [
                {"True": label} | dict(zip(classes, row, strict=True))
                for label, row in zip(classes, matrix, strict=True)
            ],
            hide_index=True,
        )


def _recipe_title(name: str) -> str:
    return RECIPES[name].title


@st.cache_data(max_entries=4, show_spinner="Reading the pictures")
def _explored(
    data: str, input_size: tuple[int, int]
) -> tuple[dict[str, tuple[int, int]], dict[str, np.ndarray], tuple[str, ...]]:
    """Counts, some pictures of each class, and notes; the set itself is not kept."""
    found = datasets.load(data, resources.settings(), input_size)
    rng = np.random.default_rng(0)
    samples = {}
    for target, label in enumerate(found.classes):
        mine = np.flatnonzero(found.train.targets == target)
        if len(mine):
            samples[label] = found.train.pixels[rng.permutation(mine)[:SAMPLES_PER_CLASS]]
    return found.counts(), samples, found.notes


def _counts(counts: dict[str, tuple[int, int]], notes: Sequence[str]) -> None:
    rows = [{"Class": label, "Training": train, "Test": test} for label, (train, test) in counts.items()]
    most = max((train for train, _ in counts.values()), default=1)
    st.dataframe(
        rows,
        hide_index=True,
        alt="Pictures of each class",
        column_config={
            "Training": st.column_config.ProgressColumn(format="%d", min_value=0, max_value=most),
            "Test": st.column_config.NumberColumn(format="%d"),
        },
    )
    if notes:
        st.warning(
            f"{len(notes):,} files cannot be used; the rest can. The first: {notes[0]}", icon=":material/warning:"
        )


def _augmented(recipe: Recipe, samples: dict[str, np.ndarray]) -> None:
    """The same pictures as the network will get them in the first epochs."""
    st.caption("The first picture of each row as it is, then as the network will see it in the first epochs.")
    for label, pictures in list(samples.items())[:4]:
        # Of a batch, as in training: what happens to a picture depends on its place in it.
        changed = [
            recipe.augmentation.apply(pictures, np.arange(len(pictures)), seed=0, epoch=epoch)[0]
            for epoch in range(PREVIEWS - 1)
        ]
        st.image(_row(np.stack([pictures[0], *changed])), width="stretch", alt=f"{label}, changed by the recipe")


def _pixel(picture: np.ndarray) -> None:
    left, right = st.columns([1, 2])
    factor = max(1, PIXEL_SIDE_PX // max(picture.shape[:2]))
    left.image(picture.repeat(factor, 0).repeat(factor, 1), alt="One picture, enlarged until its pixels show")
    height, width = picture.shape[:2]
    right.markdown(
        f"This picture is **{height} rows of {width} pixels**, and each pixel is three numbers from 0 to 255: how much "
        f"red, green and blue it has. The network gets {height} × {width} × 3 = {picture.size:,} numbers, nothing "
        f"else. Below, the upper left corner."
    )
    corner = [
        {f"column {x}": ", ".join(map(str, picture[y, x].tolist())) for x in range(min(CORNER, width))}
        for y in range(min(CORNER, height))
    ]
    right.dataframe(corner, hide_index=True, alt="Red, green and blue of the pixels in the upper left corner")


def _row(pictures: np.ndarray) -> np.ndarray:
    """Pictures side by side with a gap, each enlarged by whole pixels: uint8 (H, W, 3)."""
    factor = max(1, 64 // pictures.shape[1])
    large = pictures.repeat(factor, 1).repeat(factor, 2)
    gap = np.full((large.shape[1], 4, 3), 128, np.uint8)
    parts = [part for picture in large for part in (picture, gap)][:-1]
    return np.concatenate(parts, axis=1)
