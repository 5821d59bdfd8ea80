"""A rival: the same checkpoint in PyTorch, as transformers computes it.

The encoder sees the full window, unless the bundle says that its model was trained on a shorter one. Answers are
written with a KV cache; a next turn reads the whole chat again, as the released code does, but hears only its own clip.
"""

from pathlib import Path
from time import perf_counter

from convert.errors import ConvertError
from convert.reference import DTYPES, Dtype, Reference
from edge_llasm.audio import SAMPLE_RATE
from edge_llasm.bench.candidate import Loaded, Turn
from edge_llasm.bench.chat import Chat, read
from edge_llasm.bench.clips import Samples, Speaker
from edge_llasm.bench.rival_options import parser, require
from edge_llasm.bench.worker import serve
from edge_llasm.bundle import Bundle
from edge_llasm.prompt import Spoken
from edge_llasm.segments import Embeddings, length
from edge_llasm.speech.window import window


class PyTorch:
    """The reference, timed stage by stage."""

    def __init__(self, model: str, rival: Path, threads: int, dtype: Dtype = "float32") -> None:
        """Raises BundleError, ConvertError."""
        bundle, llasm, whisper = Bundle.find(model), require(rival / "llasm"), require(rival / "whisper")
        self._spec, self._speaker = bundle.speech, Speaker()
        try:
            import torch
            from transformers import AutoModelForCausalLM, WhisperFeatureExtractor, WhisperModel  # noqa: F401
        except ImportError as error:
            raise ConvertError(
                f"{error.name} is not installed: make setup-torch, or pip install edge-llasm[convert]"
            ) from error
        torch.set_num_threads(threads)
        start = perf_counter()
        self._reference = Reference(llasm, whisper, dtype)
        self._chat = Chat(bundle, self._reference.tokenize)
        self.loaded = Loaded(
            name=f"PyTorch {dtype}",
            load_ms=1000 * (perf_counter() - start),
            note=f"{'trimmed' if self._spec.trim_window else 'full'} window, every turn reads the whole chat",
        )

    def turn(self, seconds: float, *, first: bool) -> Turn:
        """Raises PromptTooLong."""
        samples = self._speaker.say(seconds)
        start = perf_counter()
        mel_ms = speech_ms = adapter_ms = 0.0
        clip = []
        for piece in self._pieces(samples):
            began = perf_counter()
            mel = self._reference.mel(piece, window(len(piece), self._spec))
            seen = perf_counter()
            states = self._reference.states(mel)
            heard = perf_counter()
            clip.append(Embeddings(self._reference.embeddings(states)))
            mel_ms += 1000 * (seen - began)
            speech_ms += 1000 * (heard - seen)
            adapter_ms += 1000 * (perf_counter() - heard)
        prompt = self._chat.ask(Spoken(tuple(clip)), first=first)
        asked = perf_counter()
        answer = read(self._reference.tokens(prompt))
        self._chat.answered(answer.ids)
        return Turn(
            first_token_ms=1000 * (answer.began - start),
            mel_ms=mel_ms,
            speech_ms=speech_ms,
            adapter_ms=adapter_ms,
            prefill_ms=1000 * (answer.began - asked),
            prompt_tokens=length(prompt),
            cached_tokens=0,
            tokens_per_second=answer.tokens_per_second,
        )

    def close(self) -> None:
        """Nothing is native here."""

    def _pieces(self, samples: Samples) -> list[Samples]:
        """What the released code would cut off after one window is heard too."""
        step = round(self._spec.window_seconds * SAMPLE_RATE)
        return [samples[begin : begin + step] for begin in range(0, len(samples), step)]


def main() -> None:
    """Answer standard input."""
    options = parser("convert.rivals.pytorch", __doc__)
    options.add_argument("--dtype", choices=DTYPES, default="float32", help="default: float32")
    given = vars(options.parse_args())
    serve(lambda: PyTorch(**given))


if __name__ == "__main__":
    main()
