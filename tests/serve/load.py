"""Many clients at once: is every answer the right one, does memory stay, how long does who wait, and is that fair?

    python -m tests.serve.load --clients 50 --requests 500

Each client asks one thing after the other: spoken and typed chats, streams, JSON, transcriptions, chats that go on, and
now and then it hangs up after the first words. The right answers are those that one client alone got before.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from tests.serve.running import PATIENCE_S, ROOT, Command, asking, audio_part, command

DEMO = sorted((ROOT / "models" / "nano" / "demo").glob("*.ogg"))
# No digits to make up: where two are equally likely, how a prompt was split into batches would choose.
SCHEMA = {
    "type": "object",
    "properties": {"about": {"enum": ["code", "numbers", "people"]}, "ok": {"type": "boolean"}},
    "required": ["about", "ok"],
}
JSON_FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
HANG_UP = 0.1
"""Of the streams"""
WARM = 0.2
"""Of the requests, before memory is read for the first time"""
GROWTH = 0.05
"""Of memory, that the whole test allows"""


@dataclass(frozen=True)
class Question:
    """One request, and how its answer is read."""

    path: str
    body: bytes
    kind: str
    """the body's type"""
    streams: bool = False


@dataclass
class Outcome:
    """What happened to all requests."""

    wrong: list[str] = field(default_factory=list)
    """answers that differ from the right ones"""
    refused: list[int] = field(default_factory=list)
    """statuses that are no answer"""
    hung_up: int = 0
    waits_s: dict[int, list[float]] = field(default_factory=dict)
    """of each client: from a request to the end of its answer"""
    queue_s: list[float] = field(default_factory=list)
    """of these, before the model's turn, by the answers themselves"""
    memory: list[float] = field(default_factory=list)
    """MB of the server: warm, at the end"""
    seconds: float = 0.0

    @property
    def growth(self) -> float:
        """Of memory, a share."""
        return self.memory[-1] / self.memory[0] - 1

    @property
    def answered(self) -> int:
        return sum(map(len, self.waits_s.values()))

    @property
    def unfairness(self) -> float:
        """What the client that waited most waits on average, divided by what the middle one does."""
        means = [np.mean(waits) for waits in self.waits_s.values()]
        return float(max(means) / np.median(means))


def questions() -> list[Question]:
    """What is asked; some of it several times as long as the rest."""
    asked: list[Question] = []
    for i, file in enumerate(DEMO):
        spoken = asking(audio_part(file), model="nano")
        asked.append(chat(spoken))
        asked.append(chat({**spoken, "stream": True}))
        asked.append(chat({**spoken, "response_format": JSON_FORMAT}))
        asked.append(transcription(file))
        second = {"role": "user", "content": [audio_part(DEMO[(i + 1) % len(DEMO)])]}
        asked.append(
            chat(
                {**spoken, "messages": [*spoken["messages"], {"role": "assistant", "content": "ok"}, second]}
            )
        )
    for words in ("who was li bai", "三十五加四十八等于多少", "define a function called count"):
        asked.append(chat(asking(words, model="nano")))
        asked.append(chat(asking(words, model="nano", stream=True, max_tokens=5)))
    return asked


def chat(request: dict[str, Any]) -> Question:
    body = json.dumps(request).encode()
    return Question("/v1/chat/completions", body, "application/json", request.get("stream", False))


def transcription(file: Path) -> Question:
    return Question("/v1/audio/transcriptions", *form(file.read_bytes(), model="nano"))


def form(recording: bytes, **fields: str) -> tuple[bytes, str]:
    """A body with a file, and its kind."""
    parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts.append(b'name="file"; filename="x"\r\n\r\n' + recording)
    between = b"\r\nContent-Disposition: form-data; "
    body = b"".join(b"--edge" + between + part + b"\r\n" for part in parts) + b"--edge--\r\n"
    return body, "multipart/form-data; boundary=edge"


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    text: str | None = ""
    """None after hanging up"""
    queue_s: float = 0.0


def ask(
    connection: http.client.HTTPConnection, name: str, question: Question, hang_up: bool = False
) -> Reply:
    headers = {"Content-Type": question.kind, "User-Agent": name}
    connection.request("POST", question.path, question.body, headers)
    answer = connection.getresponse()
    if hang_up:
        answer.readline()
        connection.close()
        return Reply(answer.status, None)
    body = answer.read()
    if answer.status != 200:
        return Reply(answer.status)
    if question.streams:
        lines = body.decode().splitlines()
        events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        text = "".join(event["choices"][0]["delta"].get("content", "") for event in events)
        timings = events[-1]["timings"]
    else:
        whole = json.loads(body)
        text = whole["choices"][0]["message"]["content"] if "choices" in whole else whole["text"]
        timings = whole["timings"]
    return Reply(200, text, timings["queue_ms"] / 1000)


def memory_of(pid: int) -> float:
    """Resident MB; only Linux tells."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def metric(server: Command, name: str) -> float:
    lines = server.get("/metrics")[1].decode().splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"edge_llasm_{name} "))


def run(server: Command, n_clients: int, n_requests: int, seed: int = 0) -> Outcome:
    """Ask everything once alone, then all together."""
    outcome, lock = Outcome(), threading.Lock()
    asked = questions()
    place = urlsplit(server.url)
    assert place.hostname is not None

    def connect() -> http.client.HTTPConnection:
        return http.client.HTTPConnection(str(place.hostname), place.port, timeout=PATIENCE_S)

    alone = connect()
    right = {question: ask(alone, "alone", question) for question in asked}
    alone.close()
    assert all(reply.status == 200 for reply in right.values())
    left = iter(range(n_requests))

    def client(number: int) -> None:
        chance = random.Random(seed * 1_000 + number)
        connection = connect()
        while True:
            with lock:
                if (n := next(left, None)) is None:
                    break
                if n == int(WARM * n_requests):
                    outcome.memory.append(memory_of(server.pid))
            question = chance.choice(asked)
            hang_up = question.streams and chance.random() < HANG_UP
            start = time.perf_counter()
            reply = ask(connection, f"client {number}", question, hang_up)
            waited = time.perf_counter() - start
            with lock:
                if reply.status != 200:
                    outcome.refused.append(reply.status)
                elif reply.text is None:
                    outcome.hung_up += 1
                else:
                    outcome.waits_s.setdefault(number, []).append(waited)
                    outcome.queue_s.append(reply.queue_s)
                    if reply.text != right[question].text:
                        outcome.wrong.append(f"{reply.text!r} instead of {right[question].text!r}")
        connection.close()

    start = time.perf_counter()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(n_clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcome.seconds = time.perf_counter() - start
    outcome.memory.append(memory_of(server.pid))
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, command(home=Path(home)) as server:
        outcome = run(server, options.clients, options.requests)
        cached = metric(server, 'tokens_total{kind="cached"}') / metric(server, 'tokens_total{kind="prompt"}')
    waits = np.concatenate(list(outcome.waits_s.values()))
    middle, late = np.median(outcome.queue_s), np.quantile(outcome.queue_s, 0.95)
    print(f"clients, requests       {options.clients}, {options.requests} in {outcome.seconds:.1f} s")
    print(f"answered, hung up       {outcome.answered}, {outcome.hung_up}")
    print(f"wrong answers           {len(outcome.wrong)}")
    print(f"refused                 {len(outcome.refused)}")
    print(f"wait, median and p95    {middle:.2f} s, {late:.2f} s (before the model's turn)")
    print(f"to the answer's end     {np.median(waits):.2f} s, {np.quantile(waits, 0.95):.2f} s")
    print(f"the one who waits most  {outcome.unfairness:.2f} times as long as the middle one, on average")
    print(f"prompt from the cache   {cached:.0%}")
    print(
        f"memory, warm and end    {outcome.memory[0]:.0f} MB, {outcome.memory[-1]:.0f} MB ({outcome.growth:+.1%})"
    )
    for line in outcome.wrong[:5]:
        print(f"wrong: {line}")
    return 1 if outcome.wrong or outcome.refused or outcome.growth >= GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
