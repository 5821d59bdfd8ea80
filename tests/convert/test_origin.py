import os
from pathlib import Path

import pytest

from convert.errors import ConvertError
from convert.origin import Origin


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "LLaSM"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "weights.bin").write_bytes(b"123")
    return folder


def test_a_folder_is_called_by_its_name(folder: Path) -> None:
    origin = Origin.of(folder)
    assert (origin.name, origin.revision, origin.licence) == ("LLaSM", None, "unknown")


def test_the_hub_s_cache_tells_id_and_revision(tmp_path: Path) -> None:
    revision = "0123456789" * 4
    folder = tmp_path / "hub" / "models--LinkSoul--LLaSM-Cllama2" / "snapshots" / revision
    folder.mkdir(parents=True)
    origin = Origin.of(folder)
    assert (origin.name, origin.revision) == ("LinkSoul/LLaSM-Cllama2", revision)
    assert origin.licence == "openrail"


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlanguage: zh\nlicense: apache-2.0\n---\n# Card", "apache-2.0"),
        ("---\nlicense: 'llama2'\n---\n", "llama2"),
        ("# Card\nlicense: mit\n", "unknown"),
        ("---\nlicense:\n---\n", "unknown"),
    ],
)
def test_the_card_names_the_licence(folder: Path, card: str, licence: str) -> None:
    (folder / "README.md").write_text(card)
    assert Origin.of(folder).licence == licence


def test_the_fingerprint_changes_with_every_file(folder: Path) -> None:
    fingerprints = [Origin.of(folder).fingerprint, Origin.of(folder).fingerprint]
    assert fingerprints[0] == fingerprints[1]
    (folder / "weights.bin").write_bytes(b"1234")
    fingerprints.append(Origin.of(folder).fingerprint)
    os.utime(folder / "config.json", ns=(0, 0))
    fingerprints.append(Origin.of(folder).fingerprint)
    assert len(set(fingerprints)) == 3


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="cannot read .*nowhere: No such file"):
        Origin.of(tmp_path / "nowhere")
