"""Finding bundles, and manifests that are wrong in every way."""

import re
import shutil
from pathlib import Path

import pytest

from edge_llasm.bundle import Bundle, search_path
from edge_llasm.errors import BundleError, UnknownModel


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path) -> Path:
    """A user's folder with one model, tiny, as the only place of the search path that is sure to hold it."""
    monkeypatch.setenv("EDGE_LLASM_HOME", str(tmp_path))
    shutil.copytree(tiny_bundle, tmp_path / "models" / "tiny")
    return tmp_path


def test_a_bundle_says_what_it_is(tiny_bundle: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    assert (bundle.name, bundle.languages, bundle.system) == ("tiny", ("en", "zh"), "")
    assert (bundle.speech.d, bundle.speech.n_queries, bundle.speech.n_audio_ctx) == (64, 16, 250)
    assert bundle.size == sum(
        path.stat().st_size for path in tiny_bundle.iterdir() if path.name != "bundle.toml"
    )
    assert bundle.has_onnx
    bundle.verify()


def test_find_by_name_by_path_and_by_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home / "models" / "tiny"
    assert Bundle.find("tiny").path == folder
    assert Bundle.find(folder).path == folder
    assert Bundle.find(str(folder)).path == folder
    monkeypatch.chdir(folder)
    assert Bundle.find(".").name == "tiny"
    assert search_path()[0] == home / "models"


def test_a_name_beside_the_user_is_a_folder_too(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGE_LLASM_HOME", str(tmp_path))
    monkeypatch.chdir(tiny_bundle.parent)
    assert Bundle.find(tiny_bundle.name).name == "tiny"


def test_a_bundle_is_found_by_its_own_name_and_one_level_down(home: Path) -> None:
    (home / "models" / "tiny").rename(home / "models" / "other")
    assert Bundle.find("tiny").path == home / "models" / "other"
    (home / "models" / "deep").mkdir()
    (home / "models" / "other").rename(home / "models" / "deep" / "bundle")
    assert Bundle.find("deep").path == home / "models" / "deep" / "bundle"


def test_an_unknown_name_lists_the_known_ones(home: Path) -> None:
    with pytest.raises(UnknownModel, match=r"'tinny'.*tiny"):
        Bundle.find("tinny")


def test_a_broken_bundle_is_left_out_of_the_list_but_named_when_asked_for(home: Path) -> None:
    (home / "models" / "broken").mkdir()
    (home / "models" / "broken" / "bundle.toml").write_text("format = 1\n")
    (home / "models" / "README").write_text("not a folder")
    names = [bundle.name for bundle in Bundle.available()]
    assert "tiny" in names
    assert "broken" not in names
    with pytest.raises(BundleError, match="speech"):
        Bundle.find("broken")


def test_a_missing_folder_and_a_missing_manifest(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such folder"):
        Bundle.load(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"cannot read bundle\.toml"):
        Bundle.load(tmp_path)


@pytest.mark.parametrize("name", ["~nobody-of-this-name/x", "x" * 300, "./" + "x" * 300, "a/\0"])
def test_impossible_paths_are_no_models(home: Path, name: str) -> None:
    with pytest.raises(BundleError, match="; (give|check)"):
        Bundle.find(name)


def test_system_may_be_left_out(tiny_bundle: Path, tmp_path: Path) -> None:
    text = (tiny_bundle / "bundle.toml").read_text("utf-8")
    (tmp_path / "bundle.toml").write_text(
        "".join(line for line in text.splitlines(True) if not line.startswith("system")), "utf-8"
    )
    assert Bundle.load(tmp_path).system is None


@pytest.mark.parametrize(
    ("line", "instead", "message"),
    [
        ("format =", "format = 2", "upgrade edge-llasm"),
        ("format =", "format = 0", "must be 1"),
        ("format =", "", "format must be"),
        ("name =", "name = 3", "name must be a text"),
        ("name =", "", "name must be a text"),
        ("languages =", "languages = []", "list of texts"),
        ("template =", 'template = "mystery"', "llama2-llasm"),
        ("trim_window =", 'trim_window = "yes"', "true or false"),
        ("d =", "d = -3", r"\[speech\] d must be a whole number"),
        ("d =", "d = 1.5", r"\[speech\] d must be a whole number"),
        ("window_seconds =", "window_seconds = nan", "window_seconds must be a number"),
        ("window_seconds =", "window_seconds = 5.001", "multiple of 0.02"),
        ("n_ctx =", "n_ctx = 17", "no room"),
        ("au_start =", "au_start = 400", "from 0 to 399"),
        ("temperature =", "temperature = -1.0", "temperature"),
        ("sha256 =", 'sha256 = "ABC"', "64 lower-case"),
        ("size =", "size = 0", "size must be"),
        ("[llm]", "[lm]", "llm must be a table"),
        ("[files.", '[files."../speech.bin"]', "missing"),
    ],
)
def test_a_manifest_that_is_wrong(
    tiny_bundle: Path, tmp_path: Path, line: str, instead: str, message: str
) -> None:
    lines = (tiny_bundle / "bundle.toml").read_text("utf-8").splitlines()
    index = next(index for index, text in enumerate(lines) if text.startswith(line))
    lines[index] = instead
    (tmp_path / "bundle.toml").write_text("\n".join(lines), "utf-8")
    with pytest.raises(BundleError, match=message) as caught:
        Bundle.load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"format = [", b"x = 1\n" * 300_000])
def test_a_manifest_that_is_no_toml(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bundle.toml").write_bytes(content)
    with pytest.raises(BundleError, match=r"bundle\.toml"):
        Bundle.load(tmp_path)


def test_a_manifest_without_the_second_engine_s_files_is_whole(tiny_bundle: Path, tmp_path: Path) -> None:
    text = (tiny_bundle / "bundle.toml").read_text("utf-8")
    text = re.sub(r'\[files\."speech\.(onnx|weights)"\]\n(?:\w+ = .*\n)*', "", text)
    (tmp_path / "bundle.toml").write_text(text, "utf-8")
    assert not Bundle.load(tmp_path).has_onnx


def test_a_graph_without_its_weights_is_not(tiny_bundle: Path, tmp_path: Path) -> None:
    text = (tiny_bundle / "bundle.toml").read_text("utf-8")
    text = re.sub(r'\[files\."speech.weights"\]\n(?:\w+ = .*\n)*', "", text)
    (tmp_path / "bundle.toml").write_text(text, "utf-8")
    with pytest.raises(BundleError, match=r'"speech\.weights" is missing'):
        Bundle.load(tmp_path)


def test_a_file_name_may_not_leave_the_folder(tiny_bundle: Path, tmp_path: Path) -> None:
    text = (tiny_bundle / "bundle.toml").read_text("utf-8")
    text += f'\n[files."../../etc/passwd"]\nsize = 1\nsha256 = "{"0" * 64}"\n'
    (tmp_path / "bundle.toml").write_text(text, "utf-8")
    with pytest.raises(BundleError, match="plain file name"):
        Bundle.load(tmp_path)
