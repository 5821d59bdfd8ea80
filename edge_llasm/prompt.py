"""Chat turns -> segments (token ids | embeddings) for a named template. Pure: no model, no file.

What is encoded as one string decides the token ids (a Llama SentencePiece vocabulary puts a dummy space
before every encoded string), so the strings are listed here. S is the system text, T a text part, A the
answer, AUDIO is `<au_start>` + embeddings + `<au_end>` (one such block for each piece of a long recording),
`enc` is one call of the tokenizer, which adds no BOS and never parses special tokens. T has no space at its
ends. Texts in a row are one text, joined by a newline; where text meets audio the newline belongs to the
text: `enc(T + "\\n") AUDIO`, `AUDIO enc("\\n" + T)`.

    llama2-llasm-paper   BOS enc("[INST] " [+ SYS]) enc(T)|AUDIO… enc(" [/INST] ") enc(A) EOS
    llama2-llasm         [enc(SYS)] BOS enc("[INST] " [+ SYS] [+ T]) AUDIO enc([T +] " [/INST] ")
                         enc(A + " ") EOS
    vicuna-llasm         [enc(S)] enc("USER:") enc(T)|AUDIO… enc("ASSISTANT:") enc(A) EOS

with SYS = "<<SYS>>\\n" + S + "\\n<</SYS>>\\n\\n", absent when S is empty and in every turn but the first.
Later turns repeat the form from BOS (from "USER:") on. A turn without an answer ends where the answer begins.

Source: LinkSoul-AI/LLaSM, infer_tokenize.py (the released code puts the system text twice, once before BOS);
the figures of arXiv 2308.15930 show it once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_llasm.errors import PromptTooLong
from edge_llasm.segments import Embeddings, Segment, Tokens, length

__all__ = [
    "TEMPLATES",
    "Embeddings",
    "Segment",
    "Spoken",
    "Template",
    "TokenIds",
    "Tokens",
    "Turn",
    "fit",
    "length",
    "render",
]

SYSTEM = (
    "You are a helpful language and speech assistant. You are able to understand the speech content that the "
    "user provides, and assist the user with a variety of tasks using natural language."
)

MIN_ANSWER = 16
"""Tokens: the newest question is refused when it leaves less room than this, or than a smaller `reserve`."""

Tokenize = Callable[[str], Sequence[int]]
"""Text -> token ids, without BOS, special tokens in the text never parsed."""


@dataclass(frozen=True)
class Spoken:
    """One recording of the user: one block of embeddings, or several when it was longer than the window."""

    pieces: tuple[Embeddings, ...]


@dataclass(frozen=True)
class Turn:
    """What the user said and typed, in order, and what was answered."""

    user: tuple[str | Spoken, ...]
    answer: str | None = None
    """None: not answered yet, only for the last turn"""

    @property
    def audio_positions(self) -> int:
        """Positions that the recordings take in the context; the whole turn takes more."""
        return sum(len(piece) + 2 for part in self.user if isinstance(part, Spoken) for piece in part.pieces)


@dataclass(frozen=True)
class TokenIds:
    """Ids that the templates place by themselves."""

    bos: int
    eos: int
    au_start: int
    au_patch: int
    au_end: int


@dataclass(frozen=True)
class Template:
    """The strings around the turns; the module's docstring writes each template out."""

    system: str
    """the default system text"""
    system_before: str
    """encoded alone before everything, `{system}` filled in; "" = none"""
    system_inside: str
    """joined to the first user_head, `{system}` filled in; "" = none"""
    user_head: str
    user_tail: str
    answer_tail: str
    """joined to a past answer, before EOS"""
    bos: bool
    """whether every turn begins with BOS"""
    join_text: bool
    """whether text beside a head or tail is encoded as one string with it"""


_LLAMA2_SYSTEM = "<<SYS>>\n{system}\n<</SYS>>\n\n"

TEMPLATES = {
    "llama2-llasm": Template(SYSTEM, _LLAMA2_SYSTEM, _LLAMA2_SYSTEM, "[INST] ", " [/INST] ", " ", True, True),
    "llama2-llasm-paper": Template(SYSTEM, "", _LLAMA2_SYSTEM, "[INST] ", " [/INST] ", "", True, False),
    "vicuna-llasm": Template(SYSTEM, "{system}", "", "USER:", "ASSISTANT:", "", False, False),
}


def render(
    template: Template, turns: Sequence[Turn], system: str | None, tokens: TokenIds, tokenize: Tokenize
) -> list[Segment]:
    """Turns -> segments; neighbouring tokens are one segment.

    `system` None takes the template's own text, "" means none. Raises ValueError for no turn, a turn without
    text and audio, and an unanswered turn that is not the last.
    """
    if not turns:
        raise ValueError("a prompt needs at least one turn")
    if any(turn.answer is None for turn in turns[:-1]):
        raise ValueError("only the last turn may be unanswered")
    writer = _Writer(template, template.system if system is None else system, tokens, tokenize)
    writer.preamble()
    for i, turn in enumerate(turns):
        writer.turn(turn, first=i == 0)
    return writer.segments


def fit(
    template: Template,
    turns: Sequence[Turn],
    system: str | None,
    tokens: TokenIds,
    tokenize: Tokenize,
    *,
    n_ctx: int,
    reserve: int,
    drop: bool = True,
) -> list[Segment]:
    """Like `render`, with as many of the newest turns as fit `n_ctx` - `reserve` tokens.

    The system text and the newest turn always stay, without `drop` all turns. Raises PromptTooLong when these leave
    less than min(`reserve`, MIN_ANSWER) tokens for the answer, ValueError as `render` does.
    """
    sizes = (length(_bare(template, turn, tokens, tokenize)) for turn in reversed(turns))
    first, room = max(0, len(turns) - 1) if drop else 0, n_ctx - reserve - next(sizes, 0)
    while first > 0 and (room := room - next(sizes)) >= 0:  # without the system text: what can fit at most
        first -= 1
    segments = render(template, turns[first:], system, tokens, tokenize)
    while drop and length(segments) > n_ctx - reserve and first < len(turns) - 1:
        first += 1
        segments = render(template, turns[first:], system, tokens, tokenize)
    if length(segments) > n_ctx - max(1, min(reserve, MIN_ANSWER)):
        raise PromptTooLong(
            f"the {'question' if drop else 'chat'} takes {length(segments)} of the model's {n_ctx} tokens: "
            "ask something shorter"
        )
    return segments


def _bare(template: Template, turn: Turn, tokens: TokenIds, tokenize: Tokenize) -> list[Segment]:
    """One turn as it stands in the middle of a chat."""
    writer = _Writer(template, "", tokens, tokenize)
    writer.turn(turn, first=False)
    return writer.segments


class _Writer:
    """Collects segments: strings are encoded, neighbouring ids merged."""

    def __init__(self, template: Template, system: str, tokens: TokenIds, tokenize: Tokenize) -> None:
        self.segments: list[Segment] = []
        self._template = template
        self._system = system.strip()
        self._tokens = tokens
        self._tokenize = tokenize

    def preamble(self) -> None:
        if self._system:
            self._text(self._template.system_before.replace("{system}", self._system))

    def turn(self, turn: Turn, first: bool) -> None:
        template = self._template
        head, tail = template.user_head, template.user_tail
        if first and self._system:
            head += template.system_inside.replace("{system}", self._system)
        parts = _parts(turn)
        if template.join_text:  # text at the ends is one string with the head and the tail
            if isinstance(parts[0], str):
                head += parts.pop(0)  # type: ignore[operator]
            if parts and isinstance(parts[-1], str):
                tail = parts.pop() + tail  # type: ignore[operator]
            if not parts:
                head, tail = head + tail, ""
        if template.bos:
            self._ids(self._tokens.bos)
        self._text(head)
        for part in parts:
            if isinstance(part, str):
                self._text(part)
            else:
                self._audio(part)
        self._text(tail)
        if turn.answer is not None:
            if turn.answer:
                self._text(turn.answer + template.answer_tail)
            self._ids(self._tokens.eos)

    def _audio(self, spoken: Spoken) -> None:
        for piece in spoken.pieces:
            self._ids(self._tokens.au_start)
            self.segments.append(piece)
            self._ids(self._tokens.au_end)

    def _text(self, text: str) -> None:
        if text:
            self._ids(*self._tokenize(text))

    def _ids(self, *ids: int) -> None:
        if self.segments and isinstance(last := self.segments[-1], Tokens):
            self.segments[-1] = Tokens(last.ids + ids)
        else:
            self.segments.append(Tokens(ids))


def _parts(turn: Turn) -> list[str | Spoken]:
    """The turn's texts and recordings, texts in a row joined, newlines where text meets audio."""
    parts: list[str | Spoken] = []
    for part in turn.user:
        if isinstance(part, Spoken):
            if part.pieces:
                parts.append(part)
        elif text := part.strip():
            if parts and isinstance(last := parts[-1], str):
                parts[-1] = f"{last}\n{text}"
            else:
                parts.append(text)
    if not parts:
        raise ValueError("a turn needs text or audio")
    for i, part in enumerate(parts):
        if isinstance(part, str):
            before, after = "\n" if i > 0 else "", "\n" if i < len(parts) - 1 else ""
            parts[i] = before + part + after
    return parts
