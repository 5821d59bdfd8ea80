"""One thread answers everybody: in turn, within a bound, and nobody who has gone."""

import asyncio
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_llasm.assistant import Assistant
from edge_llasm.errors import BundleError, NoSpeech
from edge_llasm.sampling import Sampling
from edge_llasm.serve.api_errors import ApiError
from edge_llasm.serve.decoder import Decoder
from tests.serve.running import PATIENCE_S, until


class Nobody:
    """Stands where an assistant would; the jobs of these tests ask it nothing."""

    closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(Nobody, 4)  # type: ignore[arg-type, return-value]
    decoder.start()
    until(lambda: decoder.state == "ready")
    yield decoder
    decoder.close()


def saying(*items: str) -> Callable[..., Generator[str, None, None]]:
    def work(assistant: object, cancel: threading.Event) -> Generator[str, None, None]:
        yield from items

    return work


def held(
    gate: threading.Event, begun: threading.Event | None = None
) -> Callable[..., Generator[str, None, None]]:
    """Works until the gate opens, or nobody wants it any more."""

    def work(assistant: object, cancel: threading.Event) -> Generator[str, None, None]:
        if begun is not None:
            begun.set()
        while not gate.wait(0.01) and not cancel.is_set():
            pass
        yield "cancelled" if cancel.is_set() else "done"

    return work


async def all_of(decoder: Decoder, client: str, work: Any, log: list[str] | None = None) -> list[Any]:
    items = [item async for item in decoder.items(client, work)]
    if log is not None:
        log.append(client)
    return items


def test_items_arrive_in_order(decoder: Decoder) -> None:
    assert asyncio.run(all_of(decoder, "a", saying("x", "y", "z"))) == ["x", "y", "z"]


def test_clients_take_turns_however_much_one_asks(decoder: Decoder) -> None:
    gate, begun, log = threading.Event(), threading.Event(), list[str]()

    async def run() -> None:
        first = asyncio.create_task(all_of(decoder, "first", held(gate, begun)))
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        greedy = [asyncio.create_task(all_of(decoder, "greedy", saying("x"), log)) for _ in range(3)]
        await asyncio.sleep(0)
        modest = asyncio.create_task(all_of(decoder, "modest", saying("x"), log))
        await asyncio.sleep(0)
        assert decoder.queued == 4
        gate.set()
        await asyncio.gather(first, modest, *greedy)

    asyncio.run(run())
    assert log == ["greedy", "modest", "greedy", "greedy"]


def test_past_the_bound_a_client_is_told_when_to_come_back(decoder: Decoder) -> None:
    gate, begun = threading.Event(), threading.Event()

    async def run() -> None:
        tasks = [asyncio.create_task(all_of(decoder, "first", held(gate, begun)))]
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        for client in "aaabbb":  # three are the most that one may have, four the most of all
            tasks.append(asyncio.create_task(all_of(decoder, client, saying("x"))))
            await asyncio.sleep(0)
        gate.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, ApiError)]
        assert [answer for answer in answers if isinstance(answer, list)] == [["done"], *[["x"]] * 4]
        assert [error.status for error in refused] == [429, 429]
        assert all(int(error.headers["Retry-After"]) >= 1 for error in refused)

    asyncio.run(run())


def test_one_client_cannot_fill_the_queue(decoder: Decoder) -> None:
    gate, begun = threading.Event(), threading.Event()

    async def run() -> None:
        first = asyncio.create_task(all_of(decoder, "first", held(gate, begun)))
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        tasks = [asyncio.create_task(all_of(decoder, "greedy", saying("x"))) for _ in range(4)]
        await asyncio.sleep(0)
        assert decoder.queued == 3
        gate.set()
        answers = await asyncio.gather(first, *tasks, return_exceptions=True)
        assert sum(isinstance(answer, ApiError) for answer in answers) == 1

    asyncio.run(run())


def test_who_leaves_the_queue_is_not_answered(decoder: Decoder) -> None:
    gate, begun, asked = threading.Event(), threading.Event(), list[str]()

    def noting(assistant: object, cancel: threading.Event) -> Generator[str, None, None]:
        asked.append("answered")
        yield "x"

    async def run() -> None:
        first = asyncio.create_task(all_of(decoder, "first", held(gate, begun)))
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        second = asyncio.create_task(all_of(decoder, "second", noting))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert decoder.queued == 0
        gate.set()
        await first

    asyncio.run(run())
    assert asked == []


def test_who_hangs_up_gets_at_most_one_more_token(tiny_bundle: Path) -> None:
    after = 0

    def counted(assistant: Assistant, cancel: threading.Event) -> Generator[str, None, None]:
        nonlocal after
        for chunk in assistant.reply(
            text="hello", options=Sampling(max_tokens=400, guard=None), cancel=cancel
        ):
            after += cancel.is_set() and chunk.finish_reason is None
            yield chunk.text

    async def run(decoder: Decoder) -> None:
        items = decoder.items("a", counted)
        assert await anext(items)
        await items.aclose()

    decoder = Decoder(lambda: Assistant.load(tiny_bundle, device="cpu"), 4)
    decoder.start()
    until(lambda: decoder.state == "ready")
    asyncio.run(run(decoder))
    until(lambda: not decoder.busy)
    decoder.close()
    assert after <= 1


def test_who_does_not_read_holds_nobody_up(decoder: Decoder) -> None:
    async def run() -> None:
        slow = decoder.items("slow", saying(*["x"] * 10_000))
        assert await anext(slow) == "x"
        assert await all_of(decoder, "quick", saying("y")) == ["y"]
        assert len([item async for item in slow]) == 9_999  # nothing is lost to whoever comes back

    asyncio.run(run())


def test_what_goes_wrong_reaches_the_one_who_asked_and_nobody_else(
    decoder: Decoder, caplog: pytest.LogCaptureFixture
) -> None:
    def silent(assistant: object, cancel: threading.Event) -> Generator[str, None, None]:
        yield "x"
        raise NoSpeech("nobody spoke")

    def broken(assistant: object, cancel: threading.Event) -> Generator[str, None, None]:
        raise ZeroDivisionError("secret")
        yield

    with pytest.raises(NoSpeech):
        asyncio.run(all_of(decoder, "a", silent))
    with pytest.raises(ApiError) as raised:
        asyncio.run(all_of(decoder, "a", broken))
    assert raised.value.status == 500
    assert "secret" not in raised.value.message
    assert "secret" in caplog.text
    assert asyncio.run(all_of(decoder, "a", saying("x"))) == ["x"]


def test_a_draft_waits_for_nobody_and_leaves_when_somebody_comes(decoder: Decoder) -> None:
    gate, begun, log = threading.Event(), threading.Event(), list[str]()
    cancel = threading.Event()
    draft = threading.Thread(
        target=lambda: (decoder.draft("a", held(gate, begun), cancel), log.append("draft"))
    )
    draft.start()
    assert begun.wait(PATIENCE_S)
    assert not decoder.busy
    assert asyncio.run(all_of(decoder, "b", saying("x"))) == ["x"]
    draft.join(PATIENCE_S)
    assert log == ["draft"]
    assert cancel.is_set()


def test_a_draft_of_the_one_who_asks_is_finished_first(decoder: Decoder) -> None:
    gate, begun = threading.Event(), threading.Event()
    cancel = threading.Event()
    draft = threading.Thread(target=decoder.draft, args=("a", held(gate, begun), cancel))
    draft.start()
    assert begun.wait(PATIENCE_S)

    async def run() -> None:
        question = asyncio.create_task(all_of(decoder, "a", saying("x")))
        await asyncio.sleep(0)
        assert decoder.queued == 1
        gate.set()
        assert await question == ["x"]

    asyncio.run(run())
    draft.join(PATIENCE_S)
    assert not cancel.is_set()


def test_a_draft_that_nobody_wants_any_more_does_not_wait(decoder: Decoder) -> None:
    gate, begun, cancel = threading.Event(), threading.Event(), threading.Event()

    async def run() -> None:
        first = asyncio.create_task(all_of(decoder, "first", held(gate, begun)))
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        draft = threading.Thread(target=decoder.draft, args=("a", saying("x"), cancel))
        draft.start()
        cancel.set()
        await asyncio.to_thread(draft.join, PATIENCE_S)
        assert not draft.is_alive()
        gate.set()
        await first

    asyncio.run(run())


def test_closing_ends_what_runs_and_what_waits() -> None:
    nobody, begun = Nobody(), threading.Event()
    decoder = Decoder(lambda: nobody, 4)  # type: ignore[arg-type, return-value]
    decoder.start()
    until(lambda: decoder.state == "ready")

    async def run() -> None:
        tasks = [asyncio.create_task(all_of(decoder, "a", held(threading.Event(), begun)))]
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        tasks.append(asyncio.create_task(all_of(decoder, "b", saying("x"))))
        await asyncio.sleep(0)
        await asyncio.to_thread(decoder.close)
        running, waiting = await asyncio.gather(*tasks, return_exceptions=True)
        assert running == ["cancelled"]
        assert "going down" in str(waiting)
        with pytest.raises(ApiError):
            await all_of(decoder, "c", saying("x"))

    asyncio.run(run())
    assert nobody.closed


def test_without_a_model_everybody_is_refused() -> None:
    failed = threading.Event()

    def load() -> Assistant:
        raise BundleError("there is nothing to load")

    decoder = Decoder(load, 4, failed=failed.set)
    decoder.start()
    assert failed.wait(PATIENCE_S)
    with pytest.raises(ApiError) as raised:
        asyncio.run(all_of(decoder, "a", saying("x")))
    assert raised.value.status == 503
    assert isinstance(decoder.error, BundleError)
    decoder.close()
    assert isinstance(decoder.error, BundleError)
