"""JSON Schema -> a grammar in llama.cpp's GBNF. Every keyword is honoured or refused, none is passed over.

The grammar writes JSON on one line, a space allowed after `:` and `,`: a small model that may indent does so for ever.
Properties come in the schema's order. Source: JSON Schema 2020-12; GBNF in llama.cpp's grammars/README.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from edge_llasm.errors import GrammarError

__all__ = ["JSON_OBJECT", "json_grammar"]

JSON_OBJECT: Mapping[str, Any] = {"type": "object", "additionalProperties": True}
"""The schema of any object"""

MAX_DEPTH = 32
"""Of schemas in schemas"""
MAX_RULES = 2_000
MAX_REPEATS = 1_000
"""llama.cpp writes a repetition out; it refuses more than twice this"""
MAX_RANGE = 1_000
"""Whole numbers between a minimum and a maximum: each becomes a literal"""

ANNOTATIONS = {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
ANNOTATIONS |= {"$schema", "$id", "$comment", "$defs", "definitions"}
KEYWORDS: dict[str, set[str]] = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "prefixItems", "minItems", "maxItems"},
    "string": {"minLength", "maxLength", "format"},
    "integer": {"minimum", "maximum"},
    "number": set(),
    "boolean": set(),
    "null": set(),
}
COMBINED = ("$ref", "anyOf", "const", "enum")
"""Each alone says what a value is"""

CHARACTER = r'[\x20-\x21\x23-\x5B\x5D-\x7E\u00A0-\uD7FF\uE000-\U0010FFFF] | "\\" ["\\/bfnrt]'
"""Of a string: what UTF-8 can hold, no control characters; \\u would allow halves of characters"""
HOUR, SIXTY = '([01] [0-9] | "2" [0-3])', "[0-5] [0-9]"
DATE = '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])'
TIME = f'{HOUR} ":" {SIXTY} ":" {SIXTY} ("Z" | [+-] {HOUR} ":" {SIXTY})'
FORMATS = {
    "date": DATE,
    "time": TIME,
    "date-time": f'{DATE} "T" {TIME}',
    "uuid": '[0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12}',
}
PRIMITIVES = {
    "character": CHARACTER,
    "string": '"\\"" character* "\\""',
    "integer": '"-"? ("0" | [1-9] [0-9]{0,15})',
    "number": 'integer ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "colon": '":" " "?',
    "comma": '"," " "?',
    "value": "object | array | string | number | boolean | null",
    "object": '"{" (string colon value (comma string colon value)*)? "}"',
    "array": '"[" (value (comma value)*)? "]"',
}


def json_grammar(schema: Mapping[str, Any] | bool) -> str:
    """A JSON Schema, as `json.loads` gives it -> the grammar of its values. Raises GrammarError that names the part."""
    writer = _Writer(schema)
    root = writer.rule(schema, "schema", 0)
    rules = {**PRIMITIVES, **writer.rules, "root": f'" "? {root}'}
    return "".join(f"{name} ::= {rule}\n" for name, rule in rules.items())


class _Writer:
    """Collects rules; each schema becomes one, or the name of a primitive one."""

    def __init__(self, document: Mapping[str, Any] | bool) -> None:
        self.rules: dict[str, str] = {}
        self._document = document
        self._references: dict[str, str] = {}

    def rule(self, schema: object, where: str, depth: int) -> str:
        """The name of the rule for a schema that stands at `where`."""
        if depth > MAX_DEPTH:
            raise GrammarError(f"{where} is more than {MAX_DEPTH} schemas deep: make it flatter")
        if schema is True or schema == {}:
            return "value"
        if not isinstance(schema, dict):
            raise GrammarError(f"{where} must be a schema, an object")
        self._refuse_others(schema, where, {"type", *COMBINED, *set().union(*KEYWORDS.values())})
        for key in COMBINED:
            if key in schema:
                self._refuse_others(schema, where, {key, "type"} if key in ("const", "enum") else {key})
                self._check_kind(schema, key, where)
                return self._combined(key, schema[key], where, depth)
        kind = schema.get("type", self._implied(schema))
        if isinstance(kind, list):
            if not kind:
                raise GrammarError(f"{where}.type must name a type")
            return self._alternatives([{**_only(schema, one), "type": one} for one in kind], where, depth)
        if not isinstance(kind, str) or kind not in KEYWORDS:
            raise GrammarError(f"{where}.type must be one of {', '.join(KEYWORDS)}, or a list of these")
        self._refuse_others(schema, where, {"type", *KEYWORDS[kind]})
        match kind:
            case "object":
                return self._object(schema, where, depth)
            case "array":
                return self._array(schema, where, depth)
            case "string":
                return self._string(schema, where)
            case "integer":
                return self._integer(schema, where)
        return kind

    def _check_kind(self, schema: Mapping[str, Any], key: str, where: str) -> None:
        """A type beside constants says nothing more than they do, or contradicts them."""
        kinds, values = schema.get("type"), schema[key] if key == "enum" else [schema[key]]
        if kinds is not None and isinstance(values, list):
            kinds = kinds if isinstance(kinds, list) else [kinds]
            if not all(any(_is_a(value, kind) for kind in kinds) for value in values):
                raise GrammarError(f"{where}.{key} holds what is not of {where}.type")

    def _combined(self, key: str, value: object, where: str, depth: int) -> str:
        if key == "$ref":
            return self._reference(value, where, depth)
        if key == "const":
            return self._add(_literal(value, where))
        if not isinstance(value, list) or not value:
            raise GrammarError(f"{where}.{key} must be a list with something in it")
        if key == "enum":
            return self._add(" | ".join(_literal(one, where) for one in value))
        return self._alternatives(value, f"{where}.{key}", depth)

    def _alternatives(self, schemas: Sequence[object], where: str, depth: int) -> str:
        return self._add(
            " | ".join(self.rule(one, f"{where}[{i}]", depth + 1) for i, one in enumerate(schemas))
        )

    def _reference(self, reference: object, where: str, depth: int) -> str:
        """`#`, or `#/` and a path inside the document: it may hold itself."""
        if not isinstance(reference, str) or (reference != "#" and not reference.startswith("#/")):
            raise GrammarError(f"{where}.$ref must point into the schema itself, as #/$defs/NAME does")
        if reference not in self._references:
            target: Any = self._document
            for step in reference.split("/")[1:]:
                step = step.replace("~1", "/").replace("~0", "~")
                target = target.get(step) if isinstance(target, dict) else None
            if target is None:
                raise GrammarError(f"{where}.$ref points to {reference}, which is not there")
            name = self._references[reference] = self._add("")
            self.rules[name] = self.rule(target, where, depth + 1)
        return self._references[reference]

    def _object(self, schema: Mapping[str, Any], where: str, depth: int) -> str:
        properties = schema.get("properties", {})
        more = schema.get("additionalProperties", not properties)
        required = schema.get("required", [])
        if not isinstance(properties, dict):
            raise GrammarError(f"{where}.properties must be an object")
        if not isinstance(required, list) or not all(
            isinstance(name, str) and name in properties for name in required
        ):
            raise GrammarError(f"{where}.required must be a list of names that stand in properties")
        if not properties and more is True:
            return "object"
        if properties and more is not False:
            raise GrammarError(f"{where}.additionalProperties must be false beside properties")
        if more is not False:
            value = self.rule(more, f"{where}.additionalProperties", depth + 1)
            return self._add(f'"{{" (string colon {value} (comma string colon {value})*)? "}}"')
        pairs = []
        for name, one in properties.items():
            value = self.rule(one, f"{where}.properties.{name}", depth + 1)
            pairs.append((self._add(f"{_literal(name, where)} colon {value}"), name in required))
        return self._add(f'"{{" {self._pairs(pairs)} "}}"')

    def _pairs(self, pairs: Sequence[tuple[str, bool]]) -> str:
        """Pairs in their order, some of which may be missing, with commas between those that are there."""
        rest = ""  # what may follow once a pair is there
        alternatives: list[str] = []  # what may come first, and what follows it
        for pair, required in reversed(pairs):
            if required:
                alternatives = [f"{pair} {rest}"]
                rest = self._add(f"comma {pair} {rest}")
            else:
                alternatives = [f"{pair} {rest}", *alternatives]
                rest = self._add(f"(comma {pair})? {rest}")
        if not any(required for _, required in pairs):
            alternatives.append('""')
        return f"({' | '.join(alternatives)})"

    def _array(self, schema: Mapping[str, Any], where: str, depth: int) -> str:
        if "prefixItems" in schema:
            self._refuse_others(schema, where, {"type", "prefixItems"} | ({"items"} & _false(schema)))
            items = schema["prefixItems"]
            if not isinstance(items, list) or not items:
                raise GrammarError(f"{where}.prefixItems must be a list with something in it")
            rules = [self.rule(one, f"{where}.prefixItems[{i}]", depth + 1) for i, one in enumerate(items)]
            return self._add(f'"[" {" comma ".join(rules)} "]"')
        item = self.rule(schema.get("items", True), f"{where}.items", depth + 1)
        low, high = self._bounds(schema, where, "minItems", "maxItems")
        if high == 0:
            return self._add('"[" "]"')
        most = "" if high is None else str(high - 1)
        several = f"{item} (comma {item}){{{max(0, low - 1)},{most}}}"
        return self._add(f'"[" {several} "]"' if low else f'"[" ({several})? "]"')

    def _string(self, schema: Mapping[str, Any], where: str) -> str:
        if "format" in schema:
            self._refuse_others(schema, where, {"type", "format"})
            if schema["format"] not in FORMATS:
                raise GrammarError(f"{where}.format must be one of {', '.join(FORMATS)}")
            return self._add(f'"\\"" {FORMATS[schema["format"]]} "\\""')
        low, high = self._bounds(schema, where, "minLength", "maxLength")
        if low == 0 and high is None:
            return "string"
        return self._add(f'"\\"" character{{{low},{"" if high is None else high}}} "\\""')

    def _integer(self, schema: Mapping[str, Any], where: str) -> str:
        if "minimum" not in schema and "maximum" not in schema:
            return "integer"
        low: Any = schema.get("minimum")
        high: Any = schema.get("maximum")
        if low == 0 and high is None:
            return self._add('"0" | [1-9] [0-9]{0,15}')
        if not _is_whole(low) or not _is_whole(high) or not 0 <= high - low < MAX_RANGE:
            raise GrammarError(
                f"{where} needs a minimum and a maximum less than {MAX_RANGE} apart, or a minimum of 0 alone"
            )
        return self._add(" | ".join(f'"{number}"' for number in range(low, high + 1)))

    def _bounds(self, schema: Mapping[str, Any], where: str, least: str, most: str) -> tuple[int, int | None]:
        low, high = schema.get(least, 0), schema.get(most)
        for key, value in ((least, low), (most, high)):
            if value is not None and not (_is_whole(value) and 0 <= value <= MAX_REPEATS):
                raise GrammarError(f"{where}.{key} must be a whole number from 0 to {MAX_REPEATS}")
        if high is not None and high < low:
            raise GrammarError(f"{where}.{most} is less than {least}")
        return low, high

    def _implied(self, schema: Mapping[str, Any]) -> object:
        """The type that a schema without one must mean."""
        kinds = [kind for kind, keys in KEYWORDS.items() if keys & set(schema)]
        return kinds[0] if len(kinds) == 1 else None

    def _refuse_others(self, schema: Mapping[str, Any], where: str, known: set[str]) -> None:
        for key in schema:
            if key not in known and key not in ANNOTATIONS:
                raise GrammarError(f"{where}.{key} cannot be honoured here: leave it out")

    def _add(self, rule: str) -> str:
        if len(self.rules) >= MAX_RULES:
            raise GrammarError(f"the schema has more than {MAX_RULES} parts: make it smaller")
        name = f"r{len(self.rules)}"
        self.rules[name] = rule
        return name


def _only(schema: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The schema without what belongs to other types."""
    others = set().union(*KEYWORDS.values()) - KEYWORDS.get(kind, set())
    return {key: value for key, value in schema.items() if key not in others}


def _false(schema: Mapping[str, Any]) -> set[str]:
    return {key for key, value in schema.items() if value is False}


def _is_a(value: object, kind: object) -> bool:
    if value is None or isinstance(value, bool):
        return kind == ("null" if value is None else "boolean")
    of_kind: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "object": dict,
        "array": list,
    }
    return isinstance(kind, str) and isinstance(value, of_kind.get(kind, ()))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53


def _literal(value: object, where: str) -> str:
    """A JSON value as a GBNF literal."""
    if isinstance(value, float) and not math.isfinite(value):
        raise GrammarError(f"{where} holds a number that JSON has not")
    text = json.dumps(value, ensure_ascii=False)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
