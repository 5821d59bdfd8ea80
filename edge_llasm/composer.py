"""Turns -> the prompt of one model, within its context."""

from collections.abc import Callable, Sequence

from edge_llasm.bundle import Bundle
from edge_llasm.errors import PromptTooLong
from edge_llasm.prompt import TEMPLATES, Turn, fit
from edge_llasm.sampling import Sampling
from edge_llasm.segments import Segment, common_prefix, split

__all__ = ["Composer", "default_sampling"]


class Composer:
    """Knows a bundle's template, system text and special tokens, its tokenizer and its context."""

    def __init__(self, bundle: Bundle, tokenize: Callable[[str], list[int]], n_ctx: int) -> None:
        self._bundle, self._tokenize, self._n_ctx = bundle, tokenize, n_ctx

    def prompt(
        self, turns: Sequence[Turn], options: Sampling, *, system: str | None = None, drop: bool = True
    ) -> list[Segment]:
        """The last of `turns` is unanswered; the oldest drop where the context is too small, unless `drop` is off.

        `system` replaces the bundle's. Raises PromptTooLong.
        """
        bundle, n_ctx = self._bundle, self._n_ctx
        form = (bundle.system if system is None else system, bundle.tokens, self._tokenize)
        reserve = min(options.max_tokens, n_ctx // 4)
        return fit(TEMPLATES[bundle.template], turns, *form, n_ctx=n_ctx, reserve=reserve, drop=drop)

    def head(self, turns: Sequence[Turn]) -> list[Segment]:
        """What the prompts of all questions after these answered turns have in common."""
        options = default_sampling(self._bundle)
        prompts = [self.prompt([*turns, Turn((text,))], options) for text in ("a", "b")]
        return split(prompts[0], common_prefix(*prompts))[0]

    def require_room(self, n_pieces: int) -> None:
        """Refuse so many pieces of speech before minutes are spent on hearing them. Raises PromptTooLong."""
        speech = self._bundle.speech
        most = self._n_ctx // (speech.n_queries + 2)
        if n_pieces > most:
            raise PromptTooLong(
                f"this is {n_pieces} pieces of speech of up to {speech.window_seconds:g} s, "
                f"{most} fit the model's context: "
                "ask something shorter, or transcribe it"
            )


def default_sampling(bundle: Bundle) -> Sampling:
    """What the bundle says of temperature and length, our defaults for the rest."""
    return Sampling(temperature=bundle.sampling.temperature, max_tokens=bundle.sampling.max_tokens)
