from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_llasm.bench.candidate import ANSWER
from edge_llasm.bench.chat import Chat, read
from edge_llasm.bundle import Bundle
from edge_llasm.errors import PromptTooLong
from edge_llasm.prompt import Spoken
from edge_llasm.segments import Embeddings, Segment, Tokens, common_prefix, length


def ids(segments: list[Segment]) -> list[int]:
    return [one for segment in segments if isinstance(segment, Tokens) for one in segment.ids]


@pytest.fixture
def chat(tiny_bundle: Path) -> Chat:
    return Chat(Bundle.load(tiny_bundle), lambda text: [100 + len(text)])


def test_a_chat_only_grows(chat: Chat) -> None:
    first = chat.ask("What?", first=True)
    chat.answered([7, 8, 9])
    second = chat.ask("And?", first=False)
    assert common_prefix(first, second) == length(first)
    assert ids(second)[length(first) :][:3] == [7, 8, 9]
    assert chat.ask("And?", first=True)[0] == chat.ask("And?", first=True)[0]
    assert length(chat.ask("What?", first=True)) == length(first)


def test_what_was_said_stands_in_it_as_embeddings(chat: Chat) -> None:
    clip = Embeddings(np.ones((5, 64), np.float32))
    prompt = chat.ask(Spoken((clip, clip)), first=True)
    assert [segment for segment in prompt if isinstance(segment, Embeddings)] == [clip, clip]


def test_a_question_that_leaves_no_room_for_an_answer_is_refused_and_forgotten(chat: Chat) -> None:
    first = chat.ask("What?", first=True)
    chat.answered([7])
    with pytest.raises(PromptTooLong, match="of the model's 512 tokens"):
        chat.ask(Spoken((Embeddings(np.ones((512 - ANSWER, 64), np.float32)),)), first=False)
    assert ids(chat.ask("And?", first=False))[length(first)] == 7


def test_an_answer_is_the_beginning_of_an_endless_one() -> None:
    asked: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            asked.append(len(asked))
            yield asked[-1]

    answer = read(endless())
    assert answer.ids == tuple(asked) == tuple(range(ANSWER))
    assert answer.tokens_per_second > 0
