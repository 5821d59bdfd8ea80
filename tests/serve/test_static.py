"""The page's files and the headers that they come with."""

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

FOLDER = Path(__file__).parents[2] / "edge_llasm" / "serve" / "page"
FILES = sorted(FOLDER.iterdir())


def test_the_page_comes_with_its_rules(app: TestClient) -> None:
    answer = app.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy  # nobody else's
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "microphone=(self)" in answer.headers["permissions-policy"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_is_served_and_asked_after_by_its_tag(app: TestClient, file: Path) -> None:
    url = "/" if file.name == "index.html" else f"/page/{file.name}"
    answer = app.get(url)
    assert answer.content == file.read_bytes()
    assert answer.headers["cache-control"] == "no-cache"
    again = app.get(url, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    ["/page/", "/page/none.js", "/page/../static.py", "/page/..%2fstatic.py", "/page/%2e%2e/static.py"],
)
def test_no_other_file_is(app: TestClient, path: str) -> None:
    assert app.get(path).status_code == 404


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_names_only_files_that_are_there(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    named = set(re.findall(r'"/page/([^"]+)"', text))
    assert named <= {one.name for one in FILES}
    assert set(re.findall(r"https?://[^\s\"'`]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert "innerHTML" not in text
