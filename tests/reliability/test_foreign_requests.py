"""What strangers send, to a real server as on a laptop."""

import pytest

from imgrec.settings import Settings
from tests.reliability import foreign_requests
from tests.reliability.attacked_server import attacked


@pytest.mark.slow
def test_each_request_gets_its_answer(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("home")
    folders = [str(home), *map(str, Settings.from_env({"IMGREC_HOME": str(home)}).folders())]
    with attacked(IMGREC_DEMO="0", IMGREC_HOME=str(home)) as address:
        assert foreign_requests.attack(address, folders)["broken"] == []
