"""Whatever a model would rather say, what it writes under a schema's grammar is a value of that schema."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_llasm.errors import EngineError, GrammarError
from edge_llasm.json_grammar import JSON_OBJECT, MAX_DEPTH, MAX_REPEATS, json_grammar
from edge_llasm.llm import Llm
from edge_llasm.sampling import Sampling
from edge_llasm.segments import Tokens
from tests.tiny import ONE_THREAD

COMMAND = {
    "title": "Command",
    "type": "object",
    "properties": {
        "do": {"type": "string", "enum": ["open", "close"]},
        "line": {"type": "integer", "minimum": 1, "maximum": 20},
        "names": {"type": "array", "items": {"type": "string", "maxLength": 5}, "maxItems": 2},
        "when": {"type": "string", "format": "date-time"},
        "sure": {"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": None},
    },
    "required": ["do", "line"],
    "additionalProperties": False,
}
LIST = {
    "$defs": {"node": {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"$ref": "#/$defs/rest"}}},
              "rest": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}},
    "$ref": "#/$defs/node",
}  # fmt: skip


def is_command(value: Any) -> bool:
    assert set(value) <= set(COMMAND["properties"])
    assert value["do"] in ("open", "close")
    assert value["line"] in range(1, 21)
    assert len(value.get("names", [])) <= 2
    assert all(isinstance(name, str) and len(name) <= 5 for name in value.get("names", []))
    return value.get("sure") in (None, True, False)


def is_list(value: Any) -> bool:
    while value is not None:
        assert set(value) <= {"v", "next"}
        assert isinstance(value.get("v", 0), int)
        value = value.get("next")
    return True


CASES: list[tuple[Any, Any]] = [
    (COMMAND, is_command),
    (LIST, is_list),
    (JSON_OBJECT, lambda value: isinstance(value, dict)),
    ({"type": "object"}, lambda value: isinstance(value, dict)),
    (True, lambda value: True),
    (
        {"enum": ['a "quoted" \\ one', "中文", 1.5, None, {"a": [1]}]},
        lambda value: value in CASES[5][0]["enum"],
    ),
    (
        {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 3},
        lambda v: 2 <= len(v) <= 3,
    ),
    ({"type": "array", "items": {"type": "null"}, "maxItems": 0}, lambda value: value == []),
    ({"prefixItems": [{"type": "boolean"}, {"const": 3}]}, lambda v: isinstance(v[0], bool) and v[1:] == [3]),
    ({"type": ["integer", "null"], "minimum": 0}, lambda value: value is None or value >= 0),
    ({"type": "string", "minLength": 3, "maxLength": 4}, lambda value: 3 <= len(value) <= 4),
    ({"type": "string", "format": "uuid"}, lambda value: len(value) == 36),
    (
        {"type": "object", "additionalProperties": {"type": "boolean"}},
        lambda v: set(v.values()) <= {True, False},
    ),
]


@pytest.fixture(scope="module")
def llm(tiny_bundle: Path) -> Iterator[Llm]:
    llm = Llm.load(tiny_bundle / "llm.gguf", n_ctx=512, device="cpu", setup=ONE_THREAD)
    yield llm
    llm.close()


def written(llm: Llm, grammar: str, seed: int) -> tuple[str, str | None]:
    """What random weights say at a high temperature: anything that the grammar lets them."""
    options = Sampling(
        temperature=3, top_p=1, min_p=0, seed=seed, max_tokens=300, guard=None, grammar=grammar
    )
    pieces = list(llm.generate([Tokens((1, *llm.tokenize("hello")))], options))
    return "".join(piece.text for piece in pieces), pieces[-1].finish_reason


@pytest.mark.parametrize(("schema", "holds"), CASES)
def test_what_is_written_is_a_value_of_the_schema(llm: Llm, schema: Any, holds: Any) -> None:
    finished = 0
    for seed in range(8):
        text, reason = written(llm, json_grammar(schema), seed)
        assert reason in ("stop", "length")
        if reason == "stop":
            finished += 1
            assert holds(json.loads(text)), text
    assert finished > 0


def test_the_likeliest_tokens_follow_the_grammar_too(llm: Llm) -> None:
    options = Sampling(max_tokens=100, guard=None, grammar=json_grammar(COMMAND["properties"]["line"]))
    *pieces, last = llm.generate([Tokens((1, *llm.tokenize("hello")))], options)
    assert last.finish_reason == "stop"
    assert json.loads("".join(piece.text for piece in [*pieces, last])) in range(1, 21)


def test_a_grammar_that_no_token_follows_is_an_error_and_not_the_end_of_the_process(llm: Llm) -> None:
    with pytest.raises(EngineError, match="no token"):
        written(llm, 'root ::= "a" [\\x00]', 0)
    assert written(llm, 'root ::= "yes"', 0) == ("yes", "stop")


def test_a_grammar_that_is_none_is_refused(llm: Llm, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(GrammarError, match="does not understand"):
        written(llm, "root ::= nowhere", 0)
    capfd.readouterr()  # llama.cpp talks about it


def nested(depth: int) -> dict[str, Any]:
    return {"type": "array", "items": nested(depth - 1)} if depth else {"type": "null"}


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"type": "string", "pattern": "^a$"}, "schema.pattern"),
        ({"type": "number", "minimum": 0}, "schema.minimum"),
        ({"type": "integer", "minimum": 0, "maximum": 10_000}, "schema needs a minimum"),
        ({"type": "integer", "multipleOf": 2}, "schema.multipleOf"),
        ({"type": "array", "uniqueItems": True}, "schema.uniqueItems"),
        ({"type": "array", "maxItems": MAX_REPEATS + 1}, "schema.maxItems"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "schema.maxItems"),
        ({"type": "string", "format": "regex"}, "schema.format"),
        ({"type": "string", "enum": [1]}, "schema.enum"),
        ({"type": "text"}, "schema.type"),
        ({"type": []}, "schema.type"),
        ({"type": "object", "properties": {"a": {"not": {}}}}, "schema.properties.a.not"),
        ({"type": "object", "properties": {"a": {"oneOf": []}}}, "schema.properties.a.oneOf"),
        ({"type": "object", "properties": {}, "required": ["a"]}, "schema.required"),
        ({"type": "object", "properties": {"a": True}, "additionalProperties": True}, "additionalProperties"),
        ({"allOf": [{"type": "string"}]}, "schema.allOf"),
        ({"anyOf": []}, "schema.anyOf"),
        ({"anyOf": [{"type": "null"}], "type": "null"}, "schema.type"),
        ({"$ref": "https://example.org/schema"}, "schema.$ref"),
        ({"$ref": "#/$defs/a"}, "schema.$ref"),
        ({"type": "object", "properties": []}, "schema.properties"),
        ({"const": float("inf")}, "schema holds"),
        (nested(MAX_DEPTH + 1), "deep"),
        ({"enum": []}, "schema.enum"),
        ([], "schema must be"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_named(schema: Any, named: str) -> None:
    with pytest.raises(GrammarError) as raised:
        json_grammar(schema)
    assert named in str(raised.value)


def test_a_schema_that_is_only_itself_is_refused(llm: Llm) -> None:
    with pytest.raises(GrammarError):
        written(llm, json_grammar({"$ref": "#"}), 0)
