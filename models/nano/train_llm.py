"""The LLM's three stages: text pre-training, stage 1 (adapter alone), stage 2 (adapter and LLM), as in arXiv 2308.15930.

python -m models.nano.train_llm WORK_DIR text|states|stage1|stage2 --minutes 20
"""

import argparse
import json
from pathlib import Path
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.nano import checkpoint, hearing, language, parallel, samples, sources, states, synthesize
from models.nano.optimizer import Optimizer
from models.nano.samples import IGNORED, Sample
from models.nano.stage import Stage

RATES = {"text": 1.5e-3, "stage1": 1e-3, "stage2": 4e-4}  # peak learning rates
VERSION = "0.2.0"  # of the model


def forward(
    model: language.Llasm, group: list[Sample], heard: NDArray[np.float16] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits at the targets ``(n, n_vocab)``, the targets ``(n,)``, and the sample that each belongs to ``(n,)``."""
    longest = max(len(sample.ids) for sample in group)
    ids, labels = (
        torch.zeros(len(group), longest, dtype=torch.long),
        torch.full((len(group), longest), IGNORED),
    )
    for row, sample in enumerate(group):
        ids[row, : len(sample.ids)] = torch.tensor(sample.ids)
        labels[row, : len(sample.labels)] = torch.tensor(sample.labels)
    embedded = model.llama.get_input_embeddings()(ids)
    places = [(row, at, clip) for row, sample in enumerate(group) for at, clip in sample.clips]
    with torch.autocast("cpu", torch.bfloat16):
        if places and heard is not None:
            states_heard = torch.from_numpy(heard[[clip for _, _, clip in places]].astype(np.float32))
            speech = model.adapter(states_heard)
            index = torch.tensor(
                [[row * longest + at + i for i in range(hearing.N_QUERIES)] for row, at, _ in places]
            )
            flat = embedded.flatten(0, 1).index_copy(0, index.flatten(), speech.float().flatten(0, 1))
            embedded = flat.view_as(embedded)
        hidden = model.llama.model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        wanted = labels != IGNORED
        logits = model.llama.lm_head(hidden[wanted])
    return logits.float(), labels[wanted], wanted.nonzero()[:, 0]


@torch.no_grad()
def exact(model: language.Llasm, group: list[Sample], heard: NDArray[np.float16] | None) -> int:
    """How many samples greedy decoding would answer exactly: all targets are the likeliest tokens."""
    logits, labels, rows = forward(model, group, heard)
    wrong = set(rows[logits.argmax(-1) != labels].tolist())
    return len(group) - len(wrong)


def train(folder: Path, name: str, minutes: float) -> None:
    stage = Stage(folder, name, minutes, RATES[name])
    tokenizer_file = folder / "tokenizer.model"
    if parallel.rank() == 0 and not tokenizer_file.exists():
        language.train_tokenizer(tokenizer_file)
    parallel.agree(0.0)
    tokenizer = language.load_tokenizer(tokenizer_file)
    special = language.token_ids(tokenizer)
    writer = samples.Writer(special, tokenizer.encode, states.layouts(folder))
    torch.manual_seed(2)
    model = language.Llasm(special.au_end + 1, hearing.WIDTH)
    before = {"stage1": "text", "stage2": "stage1"}.get(name)
    if before:
        model.load_state_dict(torch.load(folder / f"{before}.pt", weights_only=True)["model"])
    seed = 1000 * (1 + parallel.rank()) + len(name)
    draw: sources.Draw
    if name == "text":
        draw, heard, dev_heard = sources.TextSource(writer, seed, sources.PLACED), None, None
        dev = sources.text_dev_samples(writer)
    else:
        clips = synthesize.load(folder / "speech")
        draw = sources.SpokenSource(writer, clips, seed, talk=name == "stage2")
        heard = np.load(folder / "speech_states.npy", mmap_mode="r")
        dev_heard = np.load(folder / "dev_states.npy")
        dev = sources.dev_samples(writer, synthesize.load(folder / "dev"))
    trained = list(model.adapter.parameters() if name == "stage1" else model.parameters())
    for parameter in model.parameters():
        parameter.requires_grad_(any(parameter is one for one in trained))
    optimizer = Optimizer(model, RATES[name])
    embedding = model.llama.get_input_embeddings().weight
    aligned = states.align(model, folder, writer) if name == "text" else torch.empty(0, dtype=torch.long)
    if state := stage.load():
        model.load_state_dict(state["model"])
        if "optimizer" in state:
            optimizer.load_state_dict(state["optimizer"])
    fixed = embedding[aligned].detach().clone()
    stream, sums = sources.groups(draw, Random(seed + stage.step)), np.zeros(2)
    while not stage.over:
        stage.set_rate(optimizer)
        logits, labels, _ = forward(model, next(stream), heard)
        loss = nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        parallel.average(trained)
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        with torch.no_grad():
            embedding[aligned] = fixed  # stays where Whisper will put it
        due = stage.tick()
        sums += (loss.item(), 1)
        if due and parallel.rank() == 0:
            stage.save(model, optimizer)
            right = {key: _percent_exact(model, rows, dev_heard) for key, rows in dev.items()}
            stage.log(f"loss {sums[0] / sums[1]:.4f}  exact {json.dumps(right)}")
            sums[:] = 0
    if name == "stage2" and parallel.rank() == 0:
        checkpoint.save_llasm(model, tokenizer_file, folder / "checkpoint" / "llasm", VERSION)


def _percent_exact(model: language.Llasm, rows: list[Sample], heard: NDArray[np.float16] | None) -> float:
    right = sum(exact(model, rows[i : i + 16], heard) for i in range(0, len(rows), 16))
    return round(100 * right / len(rows), 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("stage", choices=("text", "states", "stage1", "stage2"))
    parser.add_argument("--minutes", type=float, default=20.0)
    options = parser.parse_args()
    if options.stage == "states":
        parallel.run(states.compute, options.folder)
    else:
        parallel.run(train, options.folder, options.stage, options.minutes)


if __name__ == "__main__":
    main()
