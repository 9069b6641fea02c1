"""The doctor's words on a page: worst first, with icons and words, pictures on demand, and nothing read as markup."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from imgrec import doctor


def page(data: str, backbone: str | None = None) -> None:
    """Runs in a process of the test's own making."""
    from imgrec.ui.doctor import diagnosis, diagnosis_view

    found = diagnosis(data, input_size=(32, 32), backbone=backbone)
    if found is not None:
        diagnosis_view(found)


def show(path: Path) -> AppTest:
    app = AppTest.from_function(page, args=(str(path),), default_timeout=30).run()
    assert not app.exception
    return app


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
    assert "**40 pictures of 2 classes: nothing stands against training on them.**" in words(app)
    assert "none can be fed differently" in words(app)
    assert "Wrong labels were not looked for" in words(app)


def test_findings_stand_worst_first_in_words(tmp_path: Path) -> None:
    path = make(tmp_path / "set", {"cats": 20, "[x](y) *dogs*": 1})
    (path / "cats" / "broken.png").write_bytes(b"")
    app = show(path)
    found = [
        element.value for element in app.markdown if "**Stop:**" in element.value or "**Warning:**" in element.value
    ]
    assert ":material/block: **Stop:**" in found[0]
    assert "［x］\\(y\\) ＊dogs＊" in found[0]
    assert ":material/warning: **Warning:** 1 file in class folders cannot be read" in found[2]


def test_pictures_and_table_on_demand(tmp_path: Path) -> None:
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
    app.run()
    assert len(count) == 2
    assert "39 pictures" in words(app)


def test_what_is_not_there_gets_a_sentence(tmp_path: Path) -> None:
    app = show(tmp_path / "none")
    assert "Expected the name of a data set" in app.error[0].value
