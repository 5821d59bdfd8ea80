"""Repositories of a Hub on this machine."""

import sys
from pathlib import Path

import pytest

from edge_llasm import download
from edge_llasm.bundle import Bundle
from edge_llasm.download import ATTEMPTS
from edge_llasm.errors import DownloadError
from edge_llasm.hub import Repo, find_repo, is_repo_id
from edge_llasm.pull import find_published, install
from tests.web import COMMIT, Web, publish

pytestmark = pytest.mark.torch  # huggingface_hub comes with it

REPO = "owner/tiny"
LLM = f"/storage/{REPO}/llm.gguf"


@pytest.fixture
def repo(hub: Web, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setenv("EDGE_LLASM_HOME", str(tmp_path / "home"))
    publish(hub, REPO, tiny_bundle, licence="openrail")
    return find_repo(REPO)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_a_repository_is_known_by_its_commit_licence_and_files(
    hub: Web, repo: Repo, tiny_bundle: Path
) -> None:
    assert (repo.name, repo.commit, repo.licence) == (REPO, COMMIT, "openrail")
    bundle = Bundle.load(tiny_bundle)
    for file in bundle.files:
        assert (repo.files[file.name].size, repo.files[file.name].sha256) == (file.size, file.sha256)
    assert repo.files["bundle.toml"].sha256 is None
    assert hub.asked(f"/api/models/{REPO}")[0]["authorization"] == "Bearer secret"


def test_a_card_without_a_licence_is_told(hub: Web, tiny_bundle: Path) -> None:
    publish(hub, "owner/bare", tiny_bundle)
    assert find_repo("owner/bare").licence == "unknown"


def test_a_bundle_of_the_hub_becomes_a_model(hub: Web, repo: Repo) -> None:
    install(find_published(REPO))
    Bundle.find("tiny").verify()
    assert all("authorization" not in headers for headers in hub.asked(LLM))


def test_a_bundle_that_was_cut_goes_on(hub: Web, repo: Repo) -> None:
    hub.cuts[LLM] = [100_000] + [0] * ATTEMPTS
    with pytest.raises(DownloadError, match="run the same command again"):
        install(find_published(REPO))
    hub.requests.clear()
    install(find_published(REPO))
    assert [headers["range"] for headers in hub.asked(LLM)] == ["bytes=100000-"]


def test_a_large_file_gets_into_the_cache_that_others_use(hub: Web, repo: Repo, tiny_bundle: Path) -> None:
    from huggingface_hub import hf_hub_download

    file = repo.files["llm.gguf"]
    assert repo.missing(file) == file.size
    reports: list[int] = []
    path = repo.large_file(file, reports.append)
    assert path.read_bytes() == (tiny_bundle / "llm.gguf").read_bytes()
    assert repo.missing(file) == 0
    assert len(hub.asked(LLM)) == 1
    assert Path(hf_hub_download(REPO, "llm.gguf")) == path
    assert repo.large_file(file, reports.append) == path
    assert sum(reports) == 2 * file.size
    assert len(hub.asked(LLM)) == 1


def test_a_large_file_goes_on_where_it_was_cut(hub: Web, repo: Repo) -> None:
    file = repo.files["llm.gguf"]
    hub.cuts[LLM] = [100_000] + [0] * ATTEMPTS
    with pytest.raises(DownloadError, match="run the same command again"):
        repo.large_file(file)
    assert repo.missing(file) == file.size - 100_000
    hub.requests.clear()
    repo.large_file(file)
    assert [headers["range"] for headers in hub.asked(LLM)] == ["bytes=100000-"]


def test_a_wrong_large_file_does_not_get_into_the_cache(hub: Web, repo: Repo) -> None:
    file = repo.files["llm.gguf"]
    hub.files[LLM] = b"x" * file.size
    with pytest.raises(DownloadError, match=r"llm\.gguf .* is not the file that was published"):
        repo.large_file(file)
    assert repo.missing(file) == file.size


def test_an_unknown_repository_is_told(hub: Web) -> None:
    with pytest.raises(DownloadError, match="the Hub has no model owner/none, or it is private"):
        find_repo("owner/none")


def test_an_unknown_revision_is_told(hub: Web, repo: Repo) -> None:
    hub.headers[f"/api/models/{REPO}/revision/v9"] = {"X-Error-Code": "RevisionNotFound"}
    with pytest.raises(DownloadError, match=f"{REPO} has no revision v9"):
        find_repo(REPO, "v9")


def test_a_gated_repository_is_told(hub: Web, tiny_bundle: Path) -> None:
    publish(hub, "owner/gated", tiny_bundle, licence="openrail", gated=True)
    assert find_repo("owner/gated").licence == "openrail"
    with pytest.raises(DownloadError, match="accept them on its page, then log in"):
        find_published("owner/gated")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_told(hub: Web, tiny_bundle: Path, status: int) -> None:
    publish(hub, "owner/closed", tiny_bundle)
    hub.refusals["/api/models/owner/closed"] = [status]
    with pytest.raises(DownloadError, match="log in"):
        find_repo("owner/closed")


def test_a_repository_that_is_no_bundle_is_told(hub: Web, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    publish(hub, "owner/other", tmp_path / "other")
    with pytest.raises(DownloadError, match=r"owner/other lacks bundle\.toml"):
        find_published("owner/other")


def test_no_connection_is_told(tmp_path: Path, hub: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(DownloadError, match="check the connection, or set HF_HUB_OFFLINE=1"):
        find_repo(REPO)


def test_offline_the_cache_is_all_there_is(hub: Web, repo: Repo, offline: None) -> None:
    hub.requests.clear()
    with pytest.raises(DownloadError, match="not on this machine, and HF_HUB_OFFLINE forbids to fetch it"):
        find_repo(REPO)
    assert hub.requests == []


def test_without_the_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setitem(sys.modules, "huggingface_hub.file_download", None)
    with pytest.raises(DownloadError, match=r'pip install "edge-llasm\[hub\]"'):
        find_repo(REPO)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("LinkSoul/LLaSM-Cllama2", True),
        ("a/b/c", False),
        ("a", False),
        ("./a", False),
        ("../a", False),
        ("/a", False),
    ],
)
def test_a_repository_s_name_has_an_owner(text: str, is_one: bool) -> None:
    assert is_repo_id(text) is is_one
