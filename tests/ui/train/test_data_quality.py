"""The doctor's words on a page: worst first, with icons and words, images on demand, and nothing read as markup."""

import io
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from imgrec.data import archives
from imgrec.data.quality import doctor
from imgrec.data.quality.report import Diagnosis
from imgrec.ui.train.data_quality import state_of


def page() -> None:
    import streamlit as st

    from imgrec.ui.train.data_quality import examined

    examined(st.session_state["data"], (32, 32))


def show(path: Path) -> AppTest:
    app = AppTest.from_function(page, default_timeout=30)
    app.session_state["data"] = str(path)
    return until_examined(app)


def until_examined(app: AppTest) -> AppTest:
    """Let the page run until no bar moves."""
    for _ in range(50):
        app.run()
        assert not app.exception
        if not app.get("progress"):
            return app
    raise AssertionError(words(app))


def words(app: AppTest) -> str:
    return "\n".join(element.value for element in [*app.markdown, *app.caption, *app.error])


def make(folder: Path, counts: dict[str, int]) -> Path:
    seed = 0
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for i in range(count):
            pixels = np.random.default_rng(seed := seed + 1).integers(0, 256, (8, 9, 3), dtype=np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(pixels).resize((64, 64)).save(buffer, "PNG")
            (folder / label / f"{i}.png").write_bytes(buffer.getvalue())
    return folder


def test_a_good_set(tmp_path: Path) -> None:
    app = show(make(tmp_path / "set", {"cats": 20, "dogs": 20}))
    assert "**40 images of 2 classes: ready to train**" in words(app)
    assert "share one decoder" in words(app)
    assert "Label errors were not checked" in words(app)


def test_findings_stand_worst_first_in_words(tmp_path: Path) -> None:
    path = make(tmp_path / "set", {"cats": 20, "[x](y) *dogs*": 1})
    (path / "cats" / "broken.png").write_bytes(b"")
    app = show(path)
    found = [
        element.value for element in app.markdown if "**Error:**" in element.value or "**Warning:**" in element.value
    ]
    assert ":material/block: **Error:**" in found[0]
    assert "［x］(y) ＊dogs＊" in found[0]
    assert ":material/warning: **Warning:** 1 file in class folders cannot be read" in found[2]


def test_images_and_table_on_demand(tmp_path: Path) -> None:
    path = make(tmp_path / "set", {"cats": 20, "dogs": 20})
    (path / "dogs" / "0.png").write_bytes((path / "cats" / "3.png").read_bytes())
    app = show(path)
    assert not app.dataframe
    assert any(box.label == "Show 1" for box in app.expander)
    app.session_state["doctor_0_duplicates_across_classes"] = True
    app.run()
    assert not app.exception
    assert app.dataframe[0].value["File"].tolist() == ["cats/3.png = dogs/0.png"]
    assert "cats and dogs" in words(app)


def test_examined_once_while_the_files_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "set", {"cats": 20, "dogs": 20})
    count = []
    examine = doctor.examine

    def counted(*given: object, **options: object) -> object:
        count.append(given)
        return examine(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(doctor, "examine", counted)
    app = show(path).run()
    assert len(count) == 1
    (path / "cats" / "0.png").unlink()
    until_examined(app)
    assert len(count) == 2
    assert "39 images" in words(app)


def test_what_is_not_there_gets_a_sentence(tmp_path: Path) -> None:
    app = show(tmp_path / "none")
    assert "Expected the name of a dataset" in app.error[0].value


def test_one_examination_at_a_time_and_none_for_what_was_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    given_up: list[str] = []
    ended = threading.Event()
    at_work = threading.Lock()

    def endless(data: str, *_: object, on_progress: Callable[[str, int, int], None], **__: object) -> Diagnosis:
        assert at_work.acquire(blocking=False), "two at once"
        begun.append(Path(data).name)
        try:
            while not ended.wait(0.01):
                on_progress("reading", 1, 2)
        except Exception:
            given_up.append(Path(data).name)
            raise
        finally:
            at_work.release()
        return Diagnosis(Path(data).name, data, {}, (), ("It is fine.",), ())

    monkeypatch.setattr(doctor, "examine", endless)
    app = AppTest.from_function(page, default_timeout=30)
    for name in ("a", "b", "a"):  # the first is wanted again after it was given up
        app.session_state["data"] = str(tmp_path / name)
        app.run()
        assert app.get("progress")
    assert (begun, given_up) == (["a", "b", "a"], ["a", "b"])
    ended.set()
    until_examined(app)
    assert "It is fine." in words(app)
    assert begun == ["a", "b", "a"]


def test_a_folder_is_looked_at_without_what_is_hidden_and_within_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "set", {"cats": 3, "dogs": 3, ".thumbnails": 1})
    assert {Path(str(folder)).name for folder, _ in state_of(str(path))} == {"set", "cats", "dogs"}  # type: ignore[misc]
    monkeypatch.setattr(archives, "MAX_FILES", 3)
    assert len(state_of(str(path))) == 2
