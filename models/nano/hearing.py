"""nano's Whisper: transformers' own model, read by 48 start-of-transcript queries over a window trimmed to the clip."""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import WhisperConfig, WhisperModel

from edge_llasm.speech.mel import DYNAMIC_RANGE

N_QUERIES = 48  # a 10 s window holds fewer words and characters than that
WIDTH = 192  # of nano's states
WINDOW_POSITIONS = 500  # 10 s
START, PAD = 1, 0  # the two rows that the decoder's vocabulary needs


def new_whisper(d_model: int, heads: int, encoder_layers: int, decoder_layers: int) -> WhisperModel:
    config = WhisperConfig(
        vocab_size=2, num_mel_bins=80, d_model=d_model,
        encoder_layers=encoder_layers, encoder_attention_heads=heads, encoder_ffn_dim=4 * d_model,
        decoder_layers=decoder_layers, decoder_attention_heads=heads, decoder_ffn_dim=4 * d_model,
        max_source_positions=WINDOW_POSITIONS, max_target_positions=N_QUERIES, dropout=0.0,
        pad_token_id=PAD, bos_token_id=START, eos_token_id=PAD, decoder_start_token_id=START,
        suppress_tokens=None, begin_suppress_tokens=None, attn_implementation="eager",
    )  # fmt: skip
    whisper = WhisperModel(config)
    for (
        module
    ) in whisper.modules():  # transformers' own 0.02 drowns a small model's signal in its position embeddings
        if isinstance(module, nn.Linear | nn.Conv1d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
    # Queries differ by position only, so positions must not start out nearly alike.
    nn.init.normal_(whisper.decoder.embed_positions.weight, std=0.3)
    return whisper


def encode(whisper: WhisperModel, mel: Tensor) -> Tensor:
    """``(batch, 80, n_frames)`` normalized log-mel -> ``(batch, n_frames / 2, d)``: the encoder on a window of any length."""
    encoder = whisper.encoder
    hidden = nn.functional.gelu(encoder.conv1(mel))
    hidden = nn.functional.gelu(encoder.conv2(hidden)).transpose(1, 2)
    hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
    for layer in encoder.layers:
        hidden = layer(hidden, None)
    return encoder.layer_norm(hidden)


def read(whisper: WhisperModel, encoded: Tensor) -> Tensor:
    """``(batch, n, d)`` -> the states of the queries ``(batch, N_QUERIES, d)``, as LLaSM reads Whisper."""
    queries = torch.full((len(encoded), N_QUERIES), START, dtype=torch.long)
    return whisper.decoder(
        input_ids=queries, encoder_hidden_states=encoded, use_cache=False
    ).last_hidden_state


def normalize(log_power: Tensor) -> Tensor:
    """Whisper's scaling, clip by clip: ``(batch, n_frames, n_mels)``."""
    peak = log_power.amax(dim=(1, 2), keepdim=True)
    return (torch.maximum(log_power, peak - DYNAMIC_RANGE) + 4.0) / 4.0


def save(whisper: WhisperModel, folder: Path) -> None:
    whisper.to(torch.float16).save_pretrained(folder)
