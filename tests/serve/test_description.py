"""What the API says of itself is true: taken at its word by a program that knows nothing else."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from edge_llasm.serve.app import create_app
from edge_llasm.serve.backend import Backend
from edge_llasm.serve.chat import NEUTRAL
from edge_llasm.serve.limits import Limits
from tests.serve.running import PATIENCE_S, backend_for, hosted

EXAMPLES = 25
"""For each operation; made of the schemas, and of what they forbid"""


@pytest.fixture(scope="module")
def description(app: TestClient) -> dict[str, Any]:
    return dict(app.get("/openapi.json").json())


def test_every_route_is_described_but_the_page(app: TestClient, description: dict[str, Any]) -> None:
    application = app.app
    assert isinstance(application, Starlette)
    routes = {route.path for route in application.routes if isinstance(route, Route)}
    assert set(description["paths"]) == {path for path in routes if path != "/" and "/page/" not in path}


def test_only_what_is_honoured_is_described(description: dict[str, Any]) -> None:
    body = description["paths"]["/v1/chat/completions"]["post"]["requestBody"]["content"]["application/json"]
    assert set(body["schema"]["properties"]).isdisjoint(NEUTRAL)
    assert "response_format" in body["schema"]["properties"]


def test_a_token_that_is_demanded_is_described(backend: Backend, description: dict[str, Any]) -> None:
    assert "security" not in description
    token = "a-token-of-some-length"
    guarded = TestClient(create_app(backend, token=token), base_url="http://localhost")
    assert guarded.get("/openapi.json").status_code == 401
    described = guarded.get("/openapi.json", headers={"Authorization": f"Bearer {token}"}).json()
    assert described["security"] == [{"token": []}]


@pytest.mark.skipif(find_spec("schemathesis") is None, reason="schemathesis is not installed")
def test_answers_and_refusals_are_as_described(tiny_bundle: Path, tmp_path: Path) -> None:
    with hosted(backend_for(tiny_bundle, Limits())) as url:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--no-color"]
        command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", "1"]
        # no schema can tell which bytes are a recording, and which messages a chat
        command += ["--exclude-checks", "positive_data_acceptance", "--request-timeout", str(PATIENCE_S)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=5 * PATIENCE_S)
    assert done.returncode == 0, done.stdout
