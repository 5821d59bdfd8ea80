"""Published bundles, from folders of a web server on this machine."""

import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from edge_llasm import download, published
from edge_llasm.bundle import Bundle
from edge_llasm.download import ATTEMPTS
from edge_llasm.errors import BundleError, DownloadError, NoRoom, UnknownModel
from edge_llasm.pull import find_published, install
from tests.web import Web

MODEL = "/models/tiny"
LLM = f"{MODEL}/llm.gguf"


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own models: none yet."""
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setenv("EDGE_LLASM_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "models"


@pytest.fixture
def url(web: Web, tiny_bundle: Path) -> str:
    return web.share(tiny_bundle, MODEL)


def rewrite(web: Web, pattern: str, replacement: str) -> None:
    """Change the manifest on the server."""
    text, n = re.subn(pattern, replacement, web.files[f"{MODEL}/bundle.toml"].decode())
    assert n >= 1
    web.files[f"{MODEL}/bundle.toml"] = text.encode()


@pytest.mark.parametrize("end", ["", "/", "/bundle.toml"])
def test_a_folder_of_a_web_server_becomes_a_model(
    url: str, end: str, models: Path, tiny_bundle: Path
) -> None:
    reports: list[int] = []
    found = find_published(url + end)
    assert (found.bundle.name, found.bundle.licence, found.origin.name) == ("tiny", "MIT", url)
    assert found.missing == found.bundle.size
    assert install(found, reports.append) == models / "tiny"
    assert sum(reports) == found.bundle.size
    assert sorted(os.listdir(models / "tiny")) == sorted(os.listdir(tiny_bundle))
    assert os.listdir(models) == ["tiny"]
    bundle = Bundle.find("tiny")
    assert bundle.path == models / "tiny"
    bundle.verify()


def test_only_the_manifest_is_asked_for_before_somebody_agrees(web: Web, url: str) -> None:
    find_published(url)
    assert [path for _, path, _ in web.requests] == [f"{MODEL}/bundle.toml"]


def test_a_download_that_was_cut_goes_on(web: Web, url: str, models: Path) -> None:
    web.cuts[LLM] = [100_000] + [0] * ATTEMPTS
    with pytest.raises(DownloadError, match=r"llm\.gguf: the connection .* run the same command again"):
        install(find_published(url))
    assert Bundle.available() == [] or all(bundle.name != "tiny" for bundle in Bundle.available())
    web.requests.clear()
    found = find_published(url)
    assert found.missing == len(web.files[LLM]) - 100_000
    assert install(found) == models / "tiny"
    assert [headers["range"] for headers in web.asked(LLM)] == ["bytes=100000-"]
    assert web.asked(f"{MODEL}/speech.bin") == []
    Bundle.find("tiny").verify()


def test_a_newer_version_takes_the_place_of_what_was_fetched_of_an_older(
    web: Web, url: str, models: Path
) -> None:
    partial = models / ".tiny.part"
    partial.mkdir(parents=True)
    (partial / "llm.gguf").write_bytes(b"of an older version")
    (partial / "old.bin").write_bytes(b"that had one file more")
    install(find_published(url))
    Bundle.find("tiny").verify()
    assert not (models / "tiny" / "old.bin").exists()


def test_a_wrong_file_is_refused_and_named(web: Web, url: str, models: Path) -> None:
    right = web.files[LLM]
    web.files[LLM] = right[:-1] + bytes([right[-1] ^ 1])
    with pytest.raises(DownloadError, match=r"^llm\.gguf from .* is not the file that was published"):
        install(find_published(url))
    assert not (models / "tiny").exists()
    web.files[LLM] = right
    install(find_published(url))
    Bundle.find("tiny").verify()


def test_parts_that_do_not_fit_are_not_installed(web: Web, url: str, models: Path) -> None:
    rewrite(web, r"n_embd = \d+", "n_embd = 65")
    with pytest.raises(BundleError, match="n_embd is 64"):
        install(find_published(url))
    assert not (models / "tiny").exists()


def test_a_full_disk_is_told_before_anything_is_fetched(
    web: Web, url: str, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**6, 10**6 - 5_200, 5_200))
    found = find_published(url)
    with pytest.raises(NoRoom, match=r"^tiny needs \d\.\d MB, there are 5\.2 kB free in .*: make room"):
        install(found)
    assert web.asked(LLM) == []
    assert not models.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told(url: str, models: Path) -> None:
    models.mkdir(parents=True)
    models.chmod(0o500)
    with pytest.raises(DownloadError, match="cannot write"):
        install(find_published(url))


def test_a_file_in_the_place_of_the_models_folder_is_told(url: str, models: Path) -> None:
    models.parent.mkdir()
    models.write_text("in the way")
    with pytest.raises(DownloadError, match="cannot write"):
        install(find_published(url))


def test_a_model_that_is_there_is_kept(web: Web, url: str, models: Path) -> None:
    (models / "tiny").mkdir(parents=True)
    with pytest.raises(BundleError, match="tiny is installed already .* run edge-llasm rm tiny first"):
        find_published(url)
    assert web.asked(LLM) == []
    assert os.listdir(models / "tiny") == []


def test_a_link_in_the_model_s_place_is_kept(url: str, models: Path, tmp_path: Path) -> None:
    models.mkdir(parents=True)
    (models / "tiny").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="installed already"):
        find_published(url)


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/b", ".hidden", "", "bundle.toml"])
def test_a_manifest_may_not_name_files_elsewhere(web: Web, url: str, models: Path, name: str) -> None:
    rewrite(web, r"\Z", f'\n[files."{name}"]\nsize = 1\nsha256 = "{"0" * 64}"\n')
    with pytest.raises(
        BundleError, match=r"^http://.*/models/tiny/bundle\.toml: .* must be a plain file name"
    ):
        find_published(url)
    assert not models.exists()


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", ".hidden", "a b"])
def test_a_manifest_may_not_name_a_model_elsewhere(web: Web, url: str, models: Path, name: str) -> None:
    rewrite(web, r'(?m)^name = ".*"', f'name = "{name}"')
    with pytest.raises(BundleError, match="is no model's name"):
        find_published(url)
    assert not models.exists()


def test_what_is_no_manifest_is_told_with_its_address(web: Web, url: str) -> None:
    web.files[f"{MODEL}/bundle.toml"] = b"<html>"
    with pytest.raises(BundleError, match=rf"^{re.escape(url)}/bundle\.toml is not valid TOML"):
        find_published(url)


def test_a_folder_without_a_manifest_is_told(web: Web) -> None:
    with pytest.raises(DownloadError, match=r"/nothing/bundle\.toml cannot be had \(404"):
        find_published(f"{web.url}/nothing")


def test_an_unknown_name_lists_the_known_ones_and_the_other_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UnknownModel, match=r"'nemo' \(known: none is published yet\); .*OWNER/REPO.*https://"
    ):
        find_published("nemo")
    monkeypatch.setattr(published, "KNOWN", {"tiny": "OWNER/TINY", "big": "OWNER/BIG"})
    with pytest.raises(UnknownModel, match=r"\(known: big, tiny\)"):
        find_published("nemo")


def test_the_bundled_model_needs_no_fetching() -> None:
    with pytest.raises(BundleError, match="nano is here already, in .*: there is nothing to fetch"):
        find_published("nano")


def test_a_known_name_stands_for_its_address(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "KNOWN", {"tiny": url})
    assert find_published("tiny").origin.name == url


@pytest.mark.parametrize(
    "source",
    ["http://example.org/x", "ftp://example.org/x", "https://example.org/x?y=1", "a/b/c", "../x", "~/x"],
)
def test_what_is_no_source_is_refused_at_once(source: str) -> None:
    with pytest.raises(DownloadError, match="give|address"):
        find_published(source)


def test_every_known_name_is_a_bundle_s_name() -> None:
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name) for name in published.KNOWN)
