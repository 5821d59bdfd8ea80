"""Loading and closing a model: devices, progress, logs, files that are not what they should be."""

from pathlib import Path

import pytest

from edge_llasm.errors import BundleError, DeviceError, EngineError
from edge_llasm.llama import Llama
from edge_llasm.llama_load import SMALL_MODEL, default_threads
from edge_llasm.llm import Llm, Sampling
from edge_llasm.segments import Tokens


@pytest.fixture(scope="module")
def path(tiny_bundle: Path) -> Path:
    return tiny_bundle / "llm.gguf"


def say(llm: Llm) -> None:
    list(llm.generate([Tokens((1, 20))], Sampling(max_tokens=4)))


def test_a_closed_model_says_so(path: Path) -> None:
    llm = Llm.load(path, n_ctx=64, device="cpu")
    llm.close()
    llm.close()
    with pytest.raises(EngineError, match="closed"):
        say(llm)
    with pytest.raises(EngineError, match="closed"):
        llm.tokenize("a")


def test_a_missing_file_is_a_bundle_error(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"absent\.gguf"):
        Llm.load(tmp_path / "absent.gguf", n_ctx=64)


@pytest.mark.parametrize("keep", [0, 3, 100, 20_000])
def test_a_cut_or_foreign_file_is_a_bundle_error(tmp_path: Path, path: Path, keep: int) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BundleError, match=r"broken\.gguf"):
        Llm.load(broken, n_ctx=64)


def test_an_unknown_device_is_refused(path: Path) -> None:
    with pytest.raises(DeviceError, match="no device is called 'abacus'"):
        Llm.load(path, n_ctx=64, device="abacus")


def test_auto_takes_a_device_and_names_it(path: Path) -> None:
    llm = Llm.load(path, n_ctx=64, device="auto")
    assert llm.device in ("cpu", "metal", "cuda")
    llm.close()


def test_progress_rises_to_one(path: Path) -> None:
    shares: list[float] = []
    Llm.load(path, n_ctx=64, device="cpu", progress=shares.append).close()
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_progress_raises_stops_the_loading(path: Path, error: type[BaseException]) -> None:
    def progress(share: float) -> None:
        raise error

    with pytest.raises(error):
        Llm.load(path, n_ctx=64, device="cpu", progress=progress)


@pytest.mark.parametrize("verbose", [False, True])
def test_native_logs_are_shown_only_on_request(
    path: Path, capfd: pytest.CaptureFixture[str], verbose: bool
) -> None:
    llm = Llm.load(path, n_ctx=64, device="cpu", verbose=verbose)
    say(llm)
    llm.close()
    out, err = capfd.readouterr()
    assert out == ""
    assert ("llama" in err) == verbose


def test_a_context_of_nothing_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Llm.load(path, n_ctx=0, device="cpu")


def test_a_small_model_runs_on_one_thread_by_default() -> None:
    assert default_threads(SMALL_MODEL - 1) == 1
    assert default_threads(SMALL_MODEL) >= 1


def test_positions_outside_the_context_never_reach_native_code(path: Path) -> None:
    llama = Llama.open(path, n_ctx=64, device="cpu")
    for ids, position in (([1], 64), ([1] * 65, 0), ([], 0), ([1], -1)):
        with pytest.raises(ValueError, match="positions"):
            llama.feed_tokens(ids, position)
    llama.close()
