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

from models.nano import checkpoint, hearing, language, parallel, recall, samples, sources, states, synthesize
from models.nano.optimizer import Optimizer
from models.nano.samples import IGNORED, Sample
from models.nano.stage import Stage, require

RATES = {"text": (1.4e-3, 2e-4), "stage1": (1e-3, 1e-5), "stage2": (4e-4, 1e-5)}  # learning rates: peak, last
NEEDS = {
    "states": ("speech", "dev", "sharpen.pt"),
    "text": ("speech", "sharpen.pt", "speech_states.npy"),
    "stage1": ("speech", "dev", "sharpen.pt", "speech_states.npy", "text.pt"),
    "stage2": ("speech", "dev", "sharpen.pt", "speech_states.npy", "stage1.pt"),
}  # made by earlier steps
VERSION = "0.5.1"  # of the model


def forward(
    model: language.Llasm, group: list[Sample], heard: NDArray[np.float16]
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits at the targets ``(n, n_vocab)``, the targets ``(n,)``, and the sample that each belongs to ``(n,)``.

    ``heard`` (clips, N_QUERIES, d): the states that the samples' rows are taken from.
    """
    longest = max(len(sample.ids) for sample in group)
    ids, labels = (
        torch.zeros(len(group), longest, dtype=torch.long),
        torch.full((len(group), longest), IGNORED),
    )
    for row, sample in enumerate(group):
        ids[row, : len(sample.ids)] = torch.tensor(sample.ids)
        labels[row, : len(sample.labels)] = torch.tensor(sample.labels)
    embedded = model.llama.get_input_embeddings()(ids)
    places = [(row * longest + at, rows) for row, sample in enumerate(group) for at, rows in sample.speech]
    with torch.autocast("cpu", torch.bfloat16):
        if places:
            rows = np.concatenate([rows for _, rows in places])
            speech = model.adapter(
                torch.from_numpy(heard.reshape(-1, heard.shape[-1])[rows].astype(np.float32))
            )
            index = torch.tensor([first + i for first, _ in places for i in range(hearing.N_QUERIES)])
            flat = embedded.flatten(0, 1).index_copy(0, index, speech.float())
            embedded = flat.view_as(embedded)
        hidden = model.llama.model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        wanted = labels != IGNORED
        logits = model.llama.lm_head(hidden[wanted])
    return logits.float(), labels[wanted], wanted.nonzero()[:, 0]


@torch.no_grad()
def exact(model: language.Llasm, group: list[Sample], heard: NDArray[np.float16]) -> int:
    """How many samples greedy decoding would answer exactly: all targets are the likeliest tokens."""
    logits, labels, rows = forward(model, group, heard)
    wrong = set(rows[logits.argmax(-1) != labels].tolist())
    return len(group) - len(wrong)


def train(folder: Path, name: str, minutes: float, rate: float | None = None) -> None:
    """``rate`` None: the stage's own, when it begins from nothing."""
    peak, last = RATES[name]
    rate = rate or peak
    stage = Stage(folder, name, minutes, rate, last)
    state = stage.load()
    tokenizer_file = folder / "tokenizer.model"
    if parallel.rank() == 0 and not tokenizer_file.exists():
        language.train_tokenizer(tokenizer_file)
    parallel.agree(0.0)
    tokenizer = language.load_tokenizer(tokenizer_file)
    special = language.token_ids(tokenizer)
    writer = samples.Writer(special, tokenizer.encode, recall.from_folder(folder))
    torch.manual_seed(2)
    model = language.Llasm(special.au_end + 1, hearing.WIDTH)
    model.llama.set_attn_implementation("eager")  # a seventh faster here than torch's fused attention
    before = {"stage1": "text", "stage2": "stage1"}.get(name)
    if before:
        model.load_state_dict(torch.load(folder / f"{before}.pt", weights_only=True)["model"])
    seed = f"{name} {parallel.rank()} {stage.step}"  # a resumed run does not see the same again
    heard = np.load(folder / "speech_states.npy", mmap_mode="r")
    draw: sources.Draw
    if name == "text":
        draw = sources.TextSource(writer, seed)
        dev, dev_heard = sources.text_dev_samples(writer), heard
    else:
        draw = sources.SpokenSource(writer, states.clips_heard(folder), seed, talk=name == "stage2")
        dev_heard = np.load(folder / "dev_states.npy")
        dev = sources.dev_samples(writer, synthesize.load(folder / "dev"))
    parts: dict[str, nn.Module] = {"text": model, "stage1": model.adapter, "stage2": model}
    trained = list(parts[name].parameters())
    for parameter in model.parameters():
        parameter.requires_grad_(any(parameter is one for one in trained))
    optimizer = Optimizer(model, rate)
    embedding = model.llama.get_input_embeddings().weight
    aligned = states.align(model, folder, writer) if name == "text" else torch.empty(0, dtype=torch.long)
    if state:
        model.load_state_dict(state["model"])
        if "optimizer" in state:
            optimizer.load_state_dict(state["optimizer"])
    fixed = embedding[aligned].detach().clone()
    stream, sums = sources.groups(draw, Random(seed)), np.zeros(2)
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


def _percent_exact(model: language.Llasm, rows: list[Sample], heard: NDArray[np.float16]) -> float:
    right = sum(exact(model, rows[i : i + 16], heard) for i in range(0, len(rows), 16))
    return round(100 * right / len(rows), 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("stage", choices=tuple(NEEDS))
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument(
        "--rate", type=float, help="learning rate at first; lower for weights that are trained already"
    )
    options = parser.parse_args()
    require(parser, options.folder, *NEEDS[options.stage])
    if options.stage == "states":
        parallel.run(states.compute, options.folder)
    else:
        parallel.run(train, options.folder, options.stage, options.minutes, options.rate)


if __name__ == "__main__":
    main()
