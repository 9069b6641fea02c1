"""The API against its own OpenAPI document: whatever Schemathesis makes of it is answered as it says."""

import dataclasses
import io
import zipfile

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import strategies as st
from openapi_spec_validator import validate
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.datastructures import Headers
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imgrec.api import contract, contract_page, problems, sheet, uploads
from imgrec.server.refusals import Readable
from imgrec.settings import ROOT, Settings
from tests.api.test_routes import Server, server  # noqa: F401 (a fixture)
from tests.inference.test_request import image

TOKEN = "a-token-of-sixteen-characters"  # noqa: S105 (of this test alone)

# Of each address, beside those that follow from the document: its limits, enumerations, and what must be there.
EXAMPLES = 5


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("cats/a.png", image())
    return file.getvalue()


IMAGE, ARCHIVE = image(), archive()
RAW = ("image/", *sheet.KINDS, *filter(None, uploads.UNTOLD))

for kind in ("image/*", *sheet.KINDS):
    schemathesis.openapi.media_type(kind, st.just(IMAGE))

# Which texts have a meaning; bytes that do are put in by `app`.
schemathesis.openapi.format("binary", st.just(IMAGE))
schemathesis.openapi.format("weights", st.sampled_from(["mobilenet=2", "mobilenet=0.5,vgg16=1"]))
schemathesis.openapi.format("class-groups", st.sampled_from(["cat;dog", '{"cat": ["n02121620"]}']))
schemathesis.openapi.format("class-word", st.sampled_from(["tabby", "n02123045"]))


served: list[ASGIApp] = []


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Pass a request on to the server of the test.

    Bytes are any for the document; here they become an image or an archive. A file of a form gets a name.
    """
    kind = Headers(scope=scope).get("content-type", "")

    async def meant() -> Message:
        message = await receive()
        if "body" not in message:
            return message
        if kind.startswith("multipart/"):
            part = b'name="image"'
            message["body"] = message["body"].replace(part + b"\r\n", part + b'; filename="a.png"\r\n')
        elif kind.startswith(RAW):
            message["body"] = ARCHIVE if scope["path"].endswith("/sheet") else IMAGE
        return message

    await served[-1](scope, meant, send)


@pytest.fixture(autouse=True)
def client(server: Server) -> TestClient:  # noqa: F811
    server.settings = dataclasses.replace(SETTINGS, home=server.settings.home, keras_home=server.settings.keras_home)
    served[:] = [Readable(server.app())]
    return TestClient(app, headers={"Authorization": f"Bearer {TOKEN}"})


SETTINGS = Settings.from_env({"IMGREC_API_TOKENS": TOKEN, "IMGREC_OFFLINE": "1", "IMGREC_MEMORY_MIB": "2048"})

schema = schemathesis.openapi.from_dict(
    contract.document(SETTINGS),
    config=SchemathesisConfig.from_dict(
        {
            "seed": 13,
            "headers": {"Authorization": f"Bearer {TOKEN}"},
            "generation": {"max-examples": EXAMPLES, "deterministic": True, "database": "none"},
            # They have the options of `predict`, whose every limit is tried.
            "operations": [
                {
                    "include-operation-id": name,
                    "phases": {"coverage": {"enabled": False}},
                    "generation": {"max-examples": 4 * EXAMPLES},
                }
                for name in ("predict_batch", "sheet")
            ],
        }
    ),
)
schema.app = app


@schema.parametrize()
@hypothesis.settings(suppress_health_check=list(HealthCheck))
def test_whatever_is_sent_is_answered_as_the_document_says(case: schemathesis.Case) -> None:
    # Weights for a rule without them, and an option in both places, are 400: no schema of single options can say so.
    query, fields = dict(case.query or {}), case.body if isinstance(case.body, dict) else {}
    given = query | fields
    is_contradiction = bool(query.keys() & fields.keys()) or ("weights" in given and given.get("rule") == "mean")
    case.call_and_validate(excluded_checks=[positive_data_acceptance] if is_contradiction else [])


def test_the_document_is_openapi() -> None:
    validate(contract.document(SETTINGS))


def test_it_is_served_with_the_limits_of_this_server(client: TestClient) -> None:
    served_document = client.get("/api/v1/openapi.json").json()
    assert served_document == contract.document(SETTINGS)
    demo = contract.document(Settings.from_env({"IMGREC_DEMO": "1"}))
    assert demo["x-limits"]["models"] < served_document["x-limits"]["models"]
    assert "security" not in demo
    assert served_document["paths"]["/openapi.json"]["get"]["security"] == []


def test_every_error_that_it_names_is_explained_on_the_page(client: TestClient) -> None:
    page = client.get("/api/v1/docs").text
    for name in problems.KINDS:
        assert f'id="{name}"' in page
    for path in contract.document(SETTINGS)["paths"]:
        assert path in page


def test_the_page_runs_and_loads_nothing(client: TestClient) -> None:
    response = client.get("/api/v1/docs")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert not any(word in response.text for word in ("<script", "src=", "style=", "onclick"))


def test_the_document_for_people_is_the_contract() -> None:
    """`python -m imgrec.api.contract_page > docs/api.md` writes it anew."""
    assert (ROOT / "docs" / "api.md").read_text() == contract_page.to_markdown(contract.document(Settings.from_env({})))


@pytest.mark.parametrize("path", [one.path for one in contract.OPERATIONS if one.method == "GET"])
def test_what_a_client_has_is_not_sent_again(client: TestClient, path: str) -> None:
    path = f"/api/v1{path}".format(name="mobilenet")
    first = client.get(path)
    tag = first.headers["etag"]
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_tag_changes_when_a_model_is_loaded(client: TestClient) -> None:
    before = client.get("/api/v1/models/mobilenet")
    client.post("/api/v1/predict?models=mobilenet", content=IMAGE, headers={"Content-Type": "image/png"})
    after = client.get("/api/v1/models/mobilenet", headers={"If-None-Match": before.headers["etag"]})
    assert (before.json()["state"], after.status_code, after.json()["state"]) == ("downloaded", 200, "loaded")


def test_datasets_name_no_folder_of_this_machine(client: TestClient) -> None:
    found = {row["name"]: row for row in client.get("/api/v1/datasets").json()}
    assert found["cifar10"]["models"][0]["top_1"] >= found["cifar10"]["models"][-1]["top_1"]
    assert not any((row["source"] or "").startswith("/") for row in found.values())
