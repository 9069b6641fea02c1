"""Places to drop pictures: what they promise is what the server lets arrive."""

import tomllib

from imgrec.settings import MAX_UPLOAD_MIB, ROOT
from imgrec.ui.gathering import MAX_ARCHIVE_MIB


def test_an_archive_arrives_as_large_as_the_page_says() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["server"]["maxUploadSize"] == MAX_ARCHIVE_MIB > MAX_UPLOAD_MIB
