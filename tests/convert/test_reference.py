from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from convert.checkpoint import Checkpoint
from convert.errors import ConvertError
from convert.json_file import read_json
from convert.llm import NORM
from convert.reference import Reference, load_llama
from edge_llasm.segments import Embeddings, Tokens
from tests.tiny import write_tiny_checkpoint

pytestmark = pytest.mark.torch

SAMPLES = np.sin(np.arange(16_000, dtype=np.float32) / 20)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def reference(folders: tuple[Path, Path]) -> Reference:
    return Reference(*folders)


def test_the_features_are_the_states_of_the_spectrogram(reference: Reference) -> None:
    mel = reference.mel(SAMPLES, 50)
    assert mel.shape == (80, 100)
    assert np.array_equal(reference.states(mel), reference.features(SAMPLES, 50))


def test_an_answer_goes_on_for_as_long_as_it_is_read(reference: Reference) -> None:
    prompt = [Tokens((1, 5, 9))]
    tokens = list(islice(reference.tokens(prompt), 6))
    assert tokens == reference.greedy(prompt, 6)
    # What the cache holds is what reading all of it again gives.
    assert int(reference.logits([*prompt, Tokens(tuple(tokens[:5]))]).argmax()) == tokens[5]


def test_bfloat16_is_the_same_model_rounded(folders: tuple[Path, Path], reference: Reference) -> None:
    rounded = Reference(*folders, "bfloat16")
    exact, near = reference.features(SAMPLES, 50), rounded.features(SAMPLES, 50)
    assert 0 < np.abs(exact - near).max() < 0.2 * exact.std()
    prompt = [Tokens((1, 5)), Embeddings(reference.embeddings(exact)), Tokens((9,))]
    logits = reference.logits(prompt)
    assert 0 < np.abs(logits - rounded.logits(prompt)).max() < 0.2 * logits.std()


def test_a_checkpoint_without_a_tensor_of_the_language_model_is_refused(folders: tuple[Path, Path]) -> None:
    config, whole = read_json(folders[0] / "config.json"), Checkpoint(folders[0])
    without = {name: whole[name] for name in whole if name != NORM}
    with pytest.raises(ConvertError, match="no tensor model.norm.weight of the shape"):
        load_llama(config, without)
