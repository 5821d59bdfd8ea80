"""A KV cache that was written goes on in another process; anything else is not taken for one."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_llasm.cache_file import ABANDONED_S, CacheFile
from edge_llasm.llm import Llm, Sampling
from edge_llasm.segments import Embeddings, Segment, Tokens
from tests.tiny import ONE_THREAD

STATE = np.arange(200, dtype=np.uint8)
SOUND = Embeddings(np.ones((3, 4), np.float32))
HEAD: list[Segment] = [Tokens((1, 2)), SOUND, Tokens((3,))]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    CacheFile(tmp_path / "1.cache", "model", HEAD).write(STATE)
    return tmp_path / "1.cache"


def test_what_was_written_is_read_however_it_is_cut(file: Path) -> None:
    read = CacheFile(file, "model", [Tokens((1,)), Tokens((2,)), SOUND, Tokens((3,))]).read()
    assert read is not None
    assert np.array_equal(read, STATE)
    assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(file.parent) == [file.name]


@pytest.mark.parametrize(
    ("origin", "segments"),
    [
        ("other", HEAD),
        ("model", HEAD[:2]),
        ("model", [*HEAD, Tokens((4,))]),
        ("model", [HEAD[0], Embeddings(np.zeros((3, 4), np.float32)), HEAD[2]]),
    ],
)
def test_what_is_of_something_else_is_not_read(file: Path, origin: str, segments: list[Segment]) -> None:
    assert CacheFile(file, origin, segments).read() is None


@pytest.mark.parametrize("harm", ["missing", "empty", "cut off", "altered", "no head", "other head"])
def test_what_is_broken_is_not_read(file: Path, harm: str) -> None:
    data = file.read_bytes()
    broken = {
        "missing": None,
        "empty": b"",
        "cut off": data[:-1],
        "altered": data[:-1] + b"x",
        "no head": data[data.index(b"\n") + 1 :],
        "other head": b"[1]\n" + data,
    }[harm]
    file.unlink()
    if broken is not None:
        file.write_bytes(broken)
    assert CacheFile(file, "model", HEAD).read() is None


def test_drafts_of_processes_that_were_killed_are_cleared_away(file: Path) -> None:
    abandoned, growing = (file.with_name(f"{file.name}.{pid}.part") for pid in (1, 2))
    for draft in (abandoned, growing):
        draft.write_bytes(b"x")
    before = time.time() - 2 * ABANDONED_S
    os.utime(abandoned, (before, before))
    CacheFile(file, "model", HEAD).write(STATE)
    assert (abandoned.exists(), growing.exists()) == (False, True)


@pytest.fixture
def llm(tiny_bundle: Path) -> Iterator[Llm]:
    llm = Llm.load(tiny_bundle / "llm.gguf", n_ctx=512, device="cpu", setup=ONE_THREAD)
    yield llm
    llm.close()


def test_a_restored_prompt_is_not_read_again_and_answered_the_same(llm: Llm, tmp_path: Path) -> None:
    sound = np.random.default_rng(0).standard_normal((16, llm.n_embd), np.float32)
    head: list[Segment] = [Tokens((1, *llm.tokenize("go to line " * 8))), Embeddings(sound), Tokens((5,))]
    asked = [*head, Tokens(tuple(llm.tokenize("answer")))]

    def ask() -> tuple[str, int]:
        pieces = list(llm.generate(asked, Sampling(max_tokens=8)))
        return "".join(piece.text for piece in pieces), pieces[-1].cached_tokens

    cold, cached = ask()
    assert cached == 0
    assert llm.save(CacheFile(tmp_path / "cache", "model", head))
    list(llm.generate([Tokens((1, 2, 3))], Sampling(max_tokens=1)))
    assert not llm.restore(CacheFile(tmp_path / "cache", "another", head))
    assert llm.restore(CacheFile(tmp_path / "cache", "model", head))
    assert ask() == (cold, sum(map(len, head)))
