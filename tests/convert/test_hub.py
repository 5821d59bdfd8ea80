"""Conversions of repositories of a Hub on this machine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convert.__main__ import main
from convert.errors import ConvertError
from convert.hub import find_places
from edge_llasm import download, room
from edge_llasm.bundle import Bundle
from edge_llasm.download import ATTEMPTS
from tests.test_pull import Usage
from tests.tiny import write_tiny_checkpoint
from tests.web import COMMIT, Web, publish

pytestmark = pytest.mark.torch

LLASM, WHISPER = "LinkSoul/LLaSM-Tiny", "openai/whisper-tiny-indeed"
SHARD = f"/storage/{LLASM}/pytorch_model-00001-of-00002.bin"
OTHER_FORMATS = ("flax_model.msgpack", "tf_model.h5", "pytorch_model.bin", "model.onnx", "training_args.bin")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint as it is published, with a card, and files that nobody needs."""
    llasm, whisper = write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))
    change_config(llasm, mm_audio_tower=WHISPER)
    config = json.loads((llasm / "config.json").read_text())
    del config["edge_llasm"]
    (llasm / "config.json").write_text(json.dumps(config))
    (llasm / "README.md").write_text("---\nlicense: openrail\n---\n# LLaSM\n")
    for name in OTHER_FORMATS:
        (whisper / name).write_bytes(b"in another format")
    return llasm, whisper


@pytest.fixture
def published(hub: Web, checkpoint: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Web:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    publish(hub, LLASM, checkpoint[0], licence="openrail")
    publish(hub, WHISPER, checkpoint[1], licence="apache-2.0")
    return hub


def change_config(folder: Path, **values: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


def storage(web: Web) -> set[str]:
    """Names of the large files that were asked for."""
    return {path.rpartition("/")[2] for _, path, _ in web.requests if path.startswith("/storage/")}


def test_a_repository_becomes_a_bundle_with_the_whisper_that_it_names(
    published: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []

    def at_the_first_weights(path: str) -> None:
        if path.startswith("/storage/") and not path.endswith(".model") and not told:
            told.append(capsys.readouterr().err)

    published.during = at_the_first_weights
    assert main([LLASM, str(tmp_path / "out")]) == 0
    assert f"{LLASM} at {COMMIT[:12]}: licence openrail" in told[0]
    assert f"{WHISPER} at {COMMIT[:12]}: licence apache-2.0" in told[0]
    assert "MB to fetch" in told[0]
    bundle = Bundle.load(tmp_path / "out")
    bundle.verify()
    assert (bundle.name, bundle.licence) == ("llasm-tiny", "openrail")
    assert not storage(published) & set(OTHER_FORMATS)
    published.requests.clear()
    assert main([LLASM, str(tmp_path / "again"), "--name", "mine", "--licence", "MIT"]) == 0
    assert storage(published) == set()  # all is in the cache
    assert "is here" in capsys.readouterr().err
    assert (Bundle.load(tmp_path / "again").name, Bundle.load(tmp_path / "again").licence) == ("mine", "MIT")


def test_what_was_resolved_is_known(published: Web) -> None:
    llasm, whisper = find_places(LLASM)
    assert (llasm.name, llasm.commit, llasm.licence) == (LLASM, COMMIT, "openrail")
    assert (whisper.name, whisper.commit, whisper.licence) == (WHISPER, COMMIT, "apache-2.0")
    assert {file.name for file in llasm.weights} == {f"pytorch_model-0000{n}-of-00002.bin" for n in (1, 2)}
    assert {file.name for file in whisper.weights} == {"model.safetensors"}  # and not pytorch_model.bin
    assert storage(published) == {"tokenizer.model"}


def test_folders_go_before_repositories_and_fetch_nothing(
    published: Web, checkpoint: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(checkpoint[0], tmp_path / LLASM)
    shutil.copytree(checkpoint[1], tmp_path / WHISPER)
    monkeypatch.chdir(tmp_path)
    llasm, whisper = find_places(LLASM)
    assert (llasm.folder, llasm.commit, whisper.folder) == (Path(LLASM), None, Path(WHISPER))
    assert published.requests == []


def test_a_revision_is_resolved_to_its_commit(published: Web) -> None:
    published.files[f"/api/models/{LLASM}/revision/v1"] = published.files[f"/api/models/{LLASM}"]
    llasm, whisper = find_places(LLASM, revision="v1")
    assert llasm.commit == COMMIT
    assert find_places(LLASM, revision=COMMIT)[0].commit == COMMIT


def test_a_revision_of_a_folder_is_refused(checkpoint: tuple[Path, Path]) -> None:
    with pytest.raises(ConvertError, match="--revision is for repositories"):
        find_places(str(checkpoint[0]), revision="v1")


def test_a_download_that_was_cut_goes_on_in_a_second_run(
    published: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published.cuts[SHARD] = [50_000] + [0] * ATTEMPTS
    assert main([LLASM, str(tmp_path / "out")]) == 1
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("convert: pytorch_model-00001-of-00002.bin: the connection")
    assert last.endswith("run the same command again, it goes on from there")
    assert not (tmp_path / "out").exists()
    published.requests.clear()
    assert main([LLASM, str(tmp_path / "out")]) == 0
    assert published.asked(SHARD)[0]["range"] == "bytes=50000-"


def test_ctrl_c_keeps_what_was_fetched(
    published: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_llasm.hub import Repo

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Repo, "large_file", interrupt)
    assert main([LLASM, str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err.endswith("interrupted, no bundle was written; what was fetched is kept\n")


def test_a_wrong_shard_is_refused_and_named(
    published: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published.files[SHARD] = b"x" * len(published.files[SHARD])
    assert main([LLASM, str(tmp_path / "out")]) == 1
    assert "pytorch_model-00001-of-00002.bin from 127.0.0.1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_told_before_any_weights_are_fetched(
    published: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: Usage(10**6, 0, 100_000))
    assert main([LLASM, str(tmp_path / "out")]) == 1
    assert "fetching the weights needs" in (told := capsys.readouterr().err)
    assert "there are 0.1 MB free in" in told
    assert storage(published) == {"tokenizer.model"}


def test_a_gated_checkpoint_is_one_line(
    hub: Web, checkpoint: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(hub, LLASM, checkpoint[0], gated=True)
    assert main([LLASM, str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"convert: {LLASM} is given only to those who accepted its terms")
    assert told.count("\n") == 1


def test_an_unknown_checkpoint_is_one_line(
    hub: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["checkpoints/nowhere", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("convert: the Hub has no model checkpoints/nowhere")


def test_a_repository_without_a_shard_is_told(
    published: Web, checkpoint: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(checkpoint[0], tmp_path / "part"))
    (folder / "pytorch_model-00002-of-00002.bin").unlink()
    publish(published, "owner/part", folder)
    with pytest.raises(ConvertError, match=r"owner/part lacks pytorch_model-00002-of-00002\.bin"):
        find_places("owner/part")


def test_a_repository_without_weights_is_told(
    published: Web, checkpoint: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "bare").mkdir()
    shutil.copy(checkpoint[0] / "config.json", tmp_path / "bare")
    publish(published, "owner/bare", tmp_path / "bare")
    with pytest.raises(ConvertError, match="owner/bare has no weights"):
        find_places("owner/bare")


def test_the_tower_may_be_a_folder_beside_the_checkpoint(
    checkpoint: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(checkpoint[0], tmp_path / "llasm"))
    shutil.copytree(checkpoint[1], tmp_path / "whisper")
    change_config(folder, mm_audio_tower="whisper")
    assert find_places(str(folder))[1].folder == tmp_path / "whisper"


@pytest.mark.parametrize(("tower", "what"), [(None, "names no Whisper"), ("tiny", "which is not here")])
def test_without_a_usable_tower_one_must_be_given(
    checkpoint: tuple[Path, Path], tmp_path: Path, tower: str | None, what: str
) -> None:
    folder = Path(shutil.copytree(checkpoint[0], tmp_path / "llasm"))
    change_config(folder, mm_audio_tower=tower)
    with pytest.raises(ConvertError, match=f"{what}.*--whisper"):
        find_places(str(folder))
    assert find_places(str(folder), str(checkpoint[1]))[1].folder == checkpoint[1]


def test_offline_what_was_fetched_is_converted_and_nothing_is_asked(published: Web, tmp_path: Path) -> None:
    for place in find_places(LLASM):
        place.fetch()
    published.requests.clear()
    environment = os.environ | {
        "HF_ENDPOINT": published.url,
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_HUB_OFFLINE": "1",
    }
    command = [sys.executable, "-m", "convert", LLASM, str(tmp_path / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert published.requests == []
    assert f"{LLASM} at {COMMIT[:12]}: licence openrail, is here" in done.stderr
    assert Bundle.load(tmp_path / "out").licence == "openrail"


def test_offline_without_a_download_is_one_line(
    hub: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert main([LLASM, str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"convert: {LLASM} is not on this machine, and HF_HUB_OFFLINE forbids")
    assert told.count("\n") == 1
    assert hub.requests == []


def test_an_endpoint_from_the_environment_is_asked(published: Web, tmp_path: Path) -> None:
    environment = os.environ | {"HF_ENDPOINT": published.url, "HF_HUB_CACHE": str(tmp_path / "hub")}
    code = f"from edge_llasm.hub import find_repo; print(find_repo({LLASM!r}).commit)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == COMMIT, done.stderr
