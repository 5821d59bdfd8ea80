import shutil
from pathlib import Path

import pytest

from edge_llasm.bundle import Bundle
from edge_llasm.errors import BundleError, UnknownModel
from edge_llasm.installed import find_installed, partial_folder, remove


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_LLASM_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "models").mkdir(parents=True)
    return tmp_path / "home" / "models"


@pytest.fixture
def tiny(models: Path, tiny_bundle: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, models / "tiny"))


def names() -> set[str]:
    return {bundle.name for bundle in Bundle.available()}


def test_a_model_goes_and_others_stay(models: Path, tiny: Path) -> None:
    other = Path(shutil.copytree(tiny, models / "other"))
    remove(find_installed("tiny"))
    assert list(models.iterdir()) == [other]


def test_what_was_fetched_of_it_goes_too(models: Path, tiny: Path) -> None:
    partial_folder("tiny").mkdir()
    (partial_folder("tiny") / "llm.gguf").write_bytes(b"half")
    remove(find_installed("tiny"))
    assert list(models.iterdir()) == []


def test_a_half_fetched_model_is_none_but_can_be_removed(models: Path, tiny: Path) -> None:
    tiny.rename(partial_folder("tiny"))
    assert "tiny" not in names()
    remove(find_installed("tiny"))
    assert list(models.iterdir()) == []


def test_a_model_is_found_by_its_manifest_s_name(models: Path, tiny: Path) -> None:
    tiny.rename(models / "renamed")
    assert find_installed("tiny") == models / "renamed"
    assert find_installed("renamed") == models / "renamed"


def test_a_broken_model_can_be_removed(models: Path, tiny: Path) -> None:
    (tiny / "bundle.toml").write_text("format = ")
    remove(find_installed("tiny"))
    assert list(models.iterdir()) == []


def test_of_a_link_only_the_link_is_removed(models: Path, tiny_bundle: Path) -> None:
    (models / "tiny").symlink_to(tiny_bundle, target_is_directory=True)
    remove(find_installed("tiny"))
    assert list(models.iterdir()) == []
    assert (tiny_bundle / "llm.gguf").exists()


def test_a_link_inside_a_model_is_not_followed(models: Path, tiny: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "photo").write_bytes(b"!")
    (tiny / "link").symlink_to(precious, target_is_directory=True)
    remove(find_installed("tiny"))
    assert (precious / "photo").exists()


def test_a_broken_link_can_be_removed(models: Path, tmp_path: Path) -> None:
    (models / "gone").symlink_to(tmp_path / "nowhere")
    remove(find_installed("gone"))
    assert list(models.iterdir()) == []


def test_the_bundled_model_stays() -> None:
    with pytest.raises(BundleError, match="only models in .* are"):
        find_installed("nano")


@pytest.mark.parametrize("name", ["../models/tiny", "/etc", ".", "..", ".tiny.part", "a/b", "~", ""])
def test_only_names_are_removed_never_paths(tiny: Path, name: str) -> None:
    with pytest.raises(BundleError, match="is no model's name"):
        find_installed(name)


def test_a_folder_that_is_no_model_stays(models: Path) -> None:
    (models / "notes").mkdir()
    with pytest.raises(BundleError, match=r"it has no bundle\.toml"):
        find_installed("notes")


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(UnknownModel, match="no model in .* is called 'nemo': edge-llasm models lists them"):
        find_installed("nemo")
