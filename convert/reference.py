"""LLaSM as PyTorch computes it: what a bundle is measured against (LinkSoul-AI/LLaSM, llasm.py).

Float32 throughout. The features are the Whisper decoder's states for ``n_queries`` start-of-transcript tokens
at positions 0 to n_queries - 1; the adapter's outputs take the place of token embeddings in the prompt.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.checkpoint import Checkpoint, read_json
from convert.llm import LlamaShape
from edge_llasm.segments import Embeddings, Segment
from edge_llasm.speech.mel import MEL_PER_POSITION, SAMPLE_RATE

Floats = NDArray[np.float32]


class Reference:
    """A checkpoint and its Whisper in memory."""

    def __init__(self, checkpoint: Path, whisper: Path) -> None:
        """Raises ConvertError for unreadable folders."""
        import sentencepiece
        import torch
        from transformers import WhisperFeatureExtractor, WhisperModel
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        config = read_json(checkpoint / "config.json")
        tensors = Checkpoint(checkpoint)
        self.n_queries = int(config["audio_token_len"])
        self._whisper: Any = WhisperModel.from_pretrained(whisper, dtype=torch.float32).eval()
        self._positions = self._whisper.encoder.embed_positions.weight.detach().clone()  # (n_audio_ctx, d)
        self._mel: Any = WhisperFeatureExtractor(feature_size=self._whisper.config.num_mel_bins)
        prefix = "model.mm_projector."
        self._weight, self._bias = (tensors[prefix + part].astype(np.float32) for part in ("weight", "bias"))
        self._llama = _load_llama(config, tensors)
        tokenizer = str(checkpoint / "tokenizer.model")
        self._pieces: Any = sentencepiece.SentencePieceProcessor(model_file=tokenizer)

    def tokenize(self, text: str) -> list[int]:
        """SentencePiece's ids, without BOS."""
        return list(self._pieces.encode(text))

    def mel(self, samples: Floats, n_positions: int) -> Floats:
        """(n,) f32 16 kHz -> (n_mels, 2 * n_positions) f32, by transformers' WhisperFeatureExtractor."""
        features = self._mel(samples, sampling_rate=SAMPLE_RATE, return_tensors="np").input_features
        return np.ascontiguousarray(features[0, :, : n_positions * MEL_PER_POSITION], np.float32)

    def features(self, samples: Floats, n_positions: int | None = None) -> Floats:
        """(n,) f32 16 kHz -> (n_queries, d) f32; the encoder sees ``n_positions`` of 20 ms, or all."""
        import torch

        encoder = self._whisper.encoder
        n_positions = n_positions or len(self._positions)
        mel = torch.from_numpy(self.mel(samples, n_positions))[None]
        encoder.config.max_source_positions = n_positions  # transformers refuses any other length
        encoder.embed_positions = torch.nn.Embedding.from_pretrained(self._positions[:n_positions])
        start = torch.full((1, self.n_queries), self._whisper.config.decoder_start_token_id)
        with torch.no_grad():
            states = encoder(mel).last_hidden_state
            queries = self._whisper.decoder(input_ids=start, encoder_hidden_states=states, use_cache=False)
        return np.asarray(queries.last_hidden_state[0].numpy(), np.float32)

    def embeddings(self, features: Floats) -> Floats:
        """The adapter: (n, d) f32 -> (n, n_embd) f32."""
        return np.asarray(features @ self._weight.T + self._bias, np.float32)

    def logits(self, segments: Sequence[Segment]) -> Floats:
        """(n_vocab,) f32 after the last position of a prompt."""
        import torch

        with torch.no_grad():
            output = self._llama(inputs_embeds=self._embed(segments), use_cache=False)
        return np.asarray(output.logits[0, -1].numpy(), np.float32)

    def greedy(self, segments: Sequence[Segment], n_tokens: int) -> list[int]:
        """The ``n_tokens`` likeliest tokens one after the other, each fed back; nothing ends it."""
        import torch

        ids: list[int] = []
        inputs: dict[str, Any] = {"inputs_embeds": self._embed(segments)}
        cache = None
        with torch.no_grad():
            for _ in range(n_tokens):
                output = self._llama(**inputs, past_key_values=cache, use_cache=True)
                cache = output.past_key_values
                ids.append(int(output.logits[0, -1].argmax()))
                inputs = {"input_ids": torch.tensor([ids[-1:]])}
        return ids

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
            torch.from_numpy(np.array(segment.values))
            if isinstance(segment, Embeddings)
            else table(torch.tensor(segment.ids, dtype=torch.long)).detach()
            for segment in segments
        ]
        return torch.cat(rows)[None]  # (1, n, n_embd)


def _load_llama(config: dict[str, Any], tensors: Checkpoint) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = LlamaShape.from_config(config)
    model = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=shape.n_embd,
            intermediate_size=shape.n_ffn,
            num_hidden_layers=shape.n_layers,
            num_attention_heads=shape.n_heads,
            num_key_value_heads=shape.n_kv_heads,
            head_dim=shape.head_dim,
            vocab_size=shape.n_vocab,
            max_position_embeddings=shape.n_ctx,
            rms_norm_eps=shape.rms_eps,
            rope_parameters={"rope_type": "default", "rope_theta": shape.rope_base},
            tie_word_embeddings=shape.tied,
        )
    )
    wanted = [name for name in model.state_dict() if name in tensors]
    state = {name: torch.from_numpy(tensors[name].astype(np.float32)) for name in wanted}
    model.load_state_dict(state, strict=not shape.tied)
    return model.eval()
