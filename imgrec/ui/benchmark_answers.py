"""Measured answers for the Benchmarks page: their caches, the pictures behind them, and words that its views share.

Keys of caches are names, digests and the date of the summary, never arrays.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from imgrec import artefacts, boards, comparisons, datasets, images, labelled, verdicts
from imgrec.artefacts import Answers
from imgrec.boards import Board
from imgrec.comparisons import Calibration, PairTest
from imgrec.errors import ImgrecError
from imgrec.labelled import LabelledSet
from imgrec.settings import ASSETS
from imgrec.ui import resources
from imgrec.ui.wording import plain
from imgrec.vega import Spec

# What comes with imgrec; what this user has measured stands beside it.
FOLDER = ASSETS / "benchmarks"

# Pictures on one page of a list.
SHOWN = 12
PICTURE_PX = 128

Row = Mapping[str, Any]
Rows = Sequence[Row]

# What half precision makes 0 or 1 is only below or above these.
LEAST = float(np.finfo(np.float16).smallest_subnormal)
MOST = 1 - float(np.finfo(np.float16).epsneg) / 2


def set_names() -> list[str]:
    """The sets of which there are measurements."""
    return boards.set_names(_folders())


def board(name: str, reading: str = "strict") -> Board:
    """The board of a set; read anew when something was measured meanwhile."""
    summaries = [folder / artefacts.SUMMARY for folder in _folders()]
    changed_at = tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in summaries)
    return _board(tuple(map(str, _folders())), name, reading, changed_at)


def _folders() -> list[Path]:
    return [FOLDER, artefacts.own_folder(resources.settings())]


@st.cache_resource(max_entries=12, show_spinner=False)
def _board(folders: tuple[str, ...], name: str, reading: str, changed_at: tuple[int, ...]) -> Board:
    return boards.load([Path(folder) for folder in folders], name, reading)


def stored(board: Board, model: str) -> Answers:
    """All probabilities of a model, as the board counts them."""
    return _stored(*_key(board, model), board.reading, board)


@st.cache_resource(max_entries=24, show_spinner=False)
def _stored(model: str, sha256: str, reading: str, _board: Board) -> Answers:
    return boards.read(_board, model)


def stack(board: Board) -> np.ndarray:
    """Probabilities float16 (M, N, C) of all models of the board."""
    return _stack(*_asked(board), board)


@st.cache_resource(max_entries=2, show_spinner=False)
def _stack(name: str, keys: tuple[tuple[str, str], ...], pictures: int, reading: str, _board: Board) -> np.ndarray:
    return boards.stack(_board, _board.models)


def pair_tests(board: Board) -> list[PairTest]:
    """Every pair of the board's models with its test."""
    return _pair_tests(*_asked(board), board)


def pair_test(board: Board, a: str, b: str) -> PairTest:
    """The test of two different models of the board."""
    return next(test for test in pair_tests(board) if {test.a, test.b} == {a, b})


@st.cache_resource(max_entries=12, show_spinner=False)
def _pair_tests(
    name: str, keys: tuple[tuple[str, str], ...], pictures: int, reading: str, _board: Board
) -> list[PairTest]:
    return comparisons.paired_tests(_board)


def calibration(board: Board, model: str) -> Calibration | None:
    """What temperature scaling does to a model; None where there were too few pictures."""
    return _calibration(*_key(board, model), board.reading, board)


@st.cache_resource(max_entries=24, show_spinner=False)
def _calibration(model: str, sha256: str, reading: str, _board: Board) -> Calibration | None:
    return comparisons.calibration(_board, model, stored(_board, model))


def _key(board: Board, model: str) -> tuple[str, str]:
    """What a model's answers are told apart by."""
    return model, str(board.rows[model]["predictions_sha256"])


def _asked(board: Board) -> tuple[str, tuple[tuple[str, str], ...], int, str]:
    """What all models' answers together are told apart by: their pictures are those that every model could read."""
    return board.name, tuple(_key(board, model) for model in board.models), hash(board.ids), board.reading


def title(board: Board, model: str) -> str:
    """What people call `model`: as the catalogue does today, or as it was called when it was measured."""
    known = verdicts.title_of(model)
    return str(board.rows[model].get("title", model)) if known == model and model in board.rows else known


def model_chooser(board: Board, label: str, key: str, index: int = 0) -> str:
    """One of the board's models."""
    models = board.models
    chosen = st.selectbox(
        label,
        models,
        index=min(index, len(models) - 1),
        key=f"{key}_{board.name}_{len(models)}",
        format_func=lambda model: title(board, model),
        width=280,
    )
    return str(chosen)


def runner_up(board: Board, model: str) -> str | None:
    """The other model whose answers stand beside: the best of the rest."""
    others = [name for name in board.models if name != model]
    return max(others, key=board.top_1, default=None)


def chart_or_table(spec: Spec, words: str, rows: Rows, table: bool, key: str) -> None:
    """A chart with its sentence, or its table twin."""
    if table:
        st.dataframe(list(rows), hide_index=True, key=f"{key}_table", alt=words)
    else:
        st.vega_lite_chart(spec, theme=None, alt=words, key=key)


def pictures(board: Board, places: Sequence[int], models: Sequence[str], key: str) -> None:
    """Pictures at these positions, with the five first choices of each of `models`; ids where there is no picture."""
    if not places:
        st.caption("No pictures.")
        return
    pages = -(-len(places) // SHOWN)
    page = st.pagination(pages, key=f"{key}_page_{board.name}_{len(places)}_{places[0]}") if pages > 1 else 1
    shown = list(places[((page or 1) - 1) * SHOWN :][:SHOWN])
    found = _look_up(board, [board.ids[i] for i in shown])
    with st.grid(4, min_column_width=230):
        for i in shown:
            with st.container(border=True, gap="xsmall", height="stretch"):
                picture = found.get(board.ids[i])
                if picture is not None:
                    st.image(picture, width=PICTURE_PX, alt=f"A picture of {board.labels[board.target[i]]}")
                st.markdown(f"**{plain(board.labels[board.target[i]])}** :small[:gray[{plain(board.ids[i])}]]")
                for model in models:
                    st.markdown(f":small[**{plain(title(board, model))}**]  \n" + _top_five(board, model, i))
    if not found:
        _bring_pictures(board)


def _top_five(board: Board, model: str, position: int) -> str:
    found = stored(board, model)
    row = (
        position
        if found.ids[position : position + 1] == (board.ids[position],)
        else found.ids.index(board.ids[position])
    )
    probabilities = found.probabilities[row].astype(np.float64)
    order = np.argsort(-probabilities, kind="stable")[:5]
    lines = []
    for i in order:
        words = f"{plain(board.labels[i])} {verdicts.percent(min(max(float(probabilities[i]), LEAST), MOST))}"
        lines.append(f":small[{'✓ ' if i == board.target[position] else ''}{words}]")
    return "  \n".join(lines)


@st.cache_resource(max_entries=2, show_spinner=False)
def _local_set(data: str, digest: str, per_class: int | None) -> LabelledSet | str:
    """The set at `data` if it is the one with this digest, else a sentence."""
    try:
        found = labelled.open_set(data, resources.settings(), per_class=per_class)
    except ImgrecError as error:
        return str(error)
    return found if found.digest == digest else f"Expected the pictures that were measured. Received: others at {data}."


def _look_up(board: Board, ids: Sequence[str]) -> dict[str, np.ndarray]:
    """The pictures themselves, from this machine; none where they are not here, and none in a public demo."""
    if resources.settings().demo:
        return {}
    data = st.session_state.get(f"bench_data_{board.name}", "")
    folder = resources.settings().keras_home / "datasets"
    if board.name in datasets.DATASETS and any(folder.glob("cifar*10*")):
        data = board.name
    if not data:
        return {}
    with st.spinner("Looking for the pictures"):
        found = _local_set(data, board.about["digest"], board.about.get("per_class"))
    if isinstance(found, str):
        st.warning(plain(found), icon=":material/folder_off:")
        return {}
    shown: dict[str, np.ndarray] = {}
    for name, picture in labelled.look_up(found, ids).items():
        try:
            limit = resources.settings().max_upload_bytes
            shown[name] = images.decode(picture, max_bytes=limit).pixels if isinstance(picture, bytes) else picture
        except ImgrecError:
            continue
    return shown


def _bring_pictures(board: Board) -> None:
    """Where the pictures lie on this machine: they are not shipped."""
    if not resources.settings().demo:
        key = f"bench_data_{board.name}"
        # Open as long as what was typed there did not do.
        with st.expander("Show the pictures", icon=":material/folder_open:", expanded=bool(st.session_state.get(key))):
            st.text_input(
                "Folder, zip or tar with them on this machine",
                key=key,
                help="The pictures are not part of imgrec; their answers are.",
            )
