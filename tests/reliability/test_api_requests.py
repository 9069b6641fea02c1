"""A few of the requests that no client means."""

import pytest
from hypothesis import HealthCheck, given, settings
from starlette.applications import Starlette

from tests.reliability import api_requests
from tests.reliability.api_requests import Request


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Starlette:
    return api_requests.api(tmp_path_factory.mktemp("api"))


# The parser leaves a part without its end to its last reference; it is in memory, and gone with it.
@pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning")
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(api_requests.requests())
def test_whatever_comes_is_answered_with_a_sentence(app: Starlette, request: Request) -> None:
    api_requests.check(app, request)
