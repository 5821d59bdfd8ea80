"""LLaSM as PyTorch computes it: what a bundle is measured against (LinkSoul-AI/LLaSM, llasm.py).

In float32 unless asked otherwise. The features are the Whisper decoder's states for ``n_queries``
start-of-transcript tokens at positions 0 to n_queries - 1; the adapter's outputs take the place of token embeddings
in the prompt.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from convert.checkpoint import Checkpoint
from convert.errors import ConvertError
from convert.family import family_of
from convert.json_file import read_json
from convert.tensors import Tensors, row_blocks
from convert.tokenizer import BYTE_LEVEL, SENTENCEPIECE
from edge_llasm.segments import Embeddings, Segment
from edge_llasm.speech.mel import MEL_PER_POSITION, SAMPLE_RATE

Floats = NDArray[np.float32]
Dtype = Literal["float32", "bfloat16"]
DTYPES: tuple[Dtype, ...] = ("float32", "bfloat16")


class Reference:
    """A checkpoint and its Whisper in memory, on the CPU."""

    def __init__(self, checkpoint: Path, whisper: Path, dtype: Dtype = "float32") -> None:
        """``dtype`` is what both models compute in. Raises ConvertError for unreadable folders."""
        import torch
        from transformers import WhisperFeatureExtractor, WhisperModel
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        config = read_json(checkpoint / "config.json")
        tensors = Checkpoint(checkpoint)
        self.n_queries = int(config["audio_token_len"])
        self._whisper: Any = WhisperModel.from_pretrained(whisper, dtype=getattr(torch, dtype)).eval()
        self._positions = self._whisper.encoder.embed_positions.weight.detach().clone()  # (n_audio_ctx, d)
        self._mel: Any = WhisperFeatureExtractor(feature_size=self._whisper.config.num_mel_bins)
        prefix = "model.mm_projector."
        self._adapter: list[Any] = [
            torch.from_numpy(tensors[prefix + part][:].astype(np.float32)) for part in ("weight", "bias")
        ]
        self._llama = load_llama(config, tensors, dtype)
        self.tokenize = load_tokenizer(checkpoint)

    def mel(self, samples: Floats, n_positions: int) -> Floats:
        """(n,) f32 16 kHz -> (n_mels, 2 * n_positions) f32, by transformers' WhisperFeatureExtractor."""
        features = self._mel(samples, sampling_rate=SAMPLE_RATE, return_tensors="np").input_features
        return np.ascontiguousarray(features[0, :, : n_positions * MEL_PER_POSITION], np.float32)

    def features(self, samples: Floats, n_positions: int | None = None) -> Floats:
        """(n,) f32 16 kHz -> (n_queries, d) f32; the encoder sees ``n_positions`` of 20 ms, or all."""
        return self.states(self.mel(samples, n_positions or len(self._positions)))

    def states(self, mel: Floats) -> Floats:
        """(n_mels, 2 * n_positions) f32 -> (n_queries, d) f32."""
        import torch

        encoder, n_positions = self._whisper.encoder, mel.shape[1] // MEL_PER_POSITION
        encoder.config.max_source_positions = n_positions  # transformers refuses any other length
        encoder.embed_positions = torch.nn.Embedding.from_pretrained(self._positions[:n_positions])
        start = torch.full((1, self.n_queries), self._whisper.config.decoder_start_token_id)
        with torch.no_grad():
            states = encoder(torch.from_numpy(mel)[None].to(self._positions.dtype)).last_hidden_state
            queries = self._whisper.decoder(input_ids=start, encoder_hidden_states=states, use_cache=False)
        return np.asarray(queries.last_hidden_state[0].float().numpy(), np.float32)

    def embeddings(self, features: Floats) -> Floats:
        """The adapter: (n, d) f32 -> (n, n_embd) f32."""
        import torch

        return np.asarray(
            torch.nn.functional.linear(torch.tensor(features), *self._adapter).numpy(), np.float32
        )

    def logits(self, segments: Sequence[Segment]) -> Floats:
        """(n_vocab,) f32 after the last position of a prompt."""
        import torch

        with torch.no_grad():
            output = self._llama(inputs_embeds=self._embed(segments), use_cache=False)
        return np.asarray(output.logits[0, -1].float().numpy(), np.float32)

    def greedy(self, segments: Sequence[Segment], n_tokens: int) -> list[int]:
        """The ``n_tokens`` likeliest tokens one after the other, each fed back; nothing ends it."""
        return list(islice(self.tokens(segments), n_tokens))

    def tokens(self, segments: Sequence[Segment]) -> Iterator[int]:
        """The same without an end; the prompt is read when the first one is asked for."""
        import torch

        inputs: dict[str, Any] = {"inputs_embeds": self._embed(segments)}
        cache = None
        while True:
            with torch.no_grad():
                output = self._llama(**inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache, token = output.past_key_values, int(output.logits[0, -1].argmax())
            yield token
            inputs = {"input_ids": torch.tensor([[token]])}

    def log_probabilities(self, ids: Sequence[int]) -> list[float]:
        """Of each token but the first, given those before it."""
        import torch

        with torch.no_grad():
            logits = self._llama(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :-1]
            every = torch.log_softmax(logits.double(), dim=-1)
        return [float(row[token]) for row, token in zip(every, ids[1:], strict=True)]

    def _embed(self, segments: Sequence[Segment]) -> Any:
        import torch

        table = self._llama.get_input_embeddings()
        rows = [
            torch.from_numpy(np.array(segment.values)).to(table.weight.dtype)
            if isinstance(segment, Embeddings)
            else table(torch.tensor(segment.ids, dtype=torch.long)).detach()
            for segment in segments
        ]
        return torch.cat(rows)[None]  # (1, n, n_embd)


def load_tokenizer(checkpoint: Path) -> Callable[[str], list[int]]:
    """Text -> ids as the checkpoint's own library gives them: no BOS, and no special token out of plain text."""
    if (checkpoint / SENTENCEPIECE).exists():
        import sentencepiece

        pieces: Any = sentencepiece.SentencePieceProcessor(model_file=str(checkpoint / SENTENCEPIECE))
        return lambda text: list(pieces.encode(text))
    import tokenizers

    tokenizer: Any = tokenizers.Tokenizer.from_file(str(checkpoint / BYTE_LEVEL))
    tokenizer.encode_special_tokens = True
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids)


def load_llama(config: Mapping[str, Any], tensors: Tensors, dtype: Dtype = "float32") -> Any:
    """The language model of a checkpoint as transformers' own class; no code of the checkpoint's runs.

    Read some rows at a time: the model is in memory once. Raises ConvertError for an unknown architecture, and for a
    tensor that is missing or has another shape.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.initialization import no_init_weights

    own = ("architectures", "model_type", "auto_map", "dtype", "torch_dtype")
    numbers = {key: value for key, value in config.items() if key not in own}
    shape = AutoConfig.for_model(family_of(config).model_type, **numbers)
    with no_init_weights():  # they are all overwritten
        model = AutoModelForCausalLM.from_config(shape, dtype=getattr(torch, dtype))
    model.tie_weights()
    for name, parameter in model.named_parameters():  # tied ones once
        if name not in tensors or tensors[name].shape != tuple(parameter.shape):
            raise ConvertError(f"the checkpoint has no tensor {name} of the shape {tuple(parameter.shape)}")
        start = 0
        for rows in row_blocks(tensors[name]):
            parameter.data[start : start + len(rows)] = torch.from_numpy(rows.astype(np.float32))
            start += len(rows)
    return model.eval()
