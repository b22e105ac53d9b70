"""Random strings of a GBNF grammar: the subset of GBNF that llama.cpp and xgrammar share."""

import re
from dataclasses import dataclass
from random import Random

TOKEN = re.compile(r'\s*("(?:\\.|[^"\\])*"|\[\^?(?:\\.|[^\]\\])*\]|\{\d+,\d+\}|[a-z][a-z0-9-]*|[()|?])')
ESCAPE = re.compile(r'\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|(n)|(["\\]))')
ALPHABET = [chr(code) for code in range(1, 127)] + ["é", "→", "\u3000", "漢"]


@dataclass
class Grammar:
    rules: dict[str, list[list[tuple]]]

    def sample(self, rng: Random, rule: str = "root") -> str:
        return "".join(self._item(item, rng) for item in rng.choice(self.rules[rule]))

    def _item(self, item: tuple, rng: Random) -> str:
        kind, value, low, high = item
        return "".join(self._once(kind, value, rng) for _ in range(rng.randint(low, high)))

    def _once(self, kind: str, value: object, rng: Random) -> str:
        if kind == "rule":
            return self.sample(rng, value)
        if kind == "group":
            return "".join(self._item(item, rng) for item in rng.choice(value))
        return rng.choice(value) if kind == "class" else value


def read(text: str) -> Grammar:
    grammar = Grammar({})
    for line in text.splitlines():
        name, _, body = line.partition(" ::= ")
        tokens, at = [], 0
        while at < len(body):
            match = TOKEN.match(body, at)
            assert match, f"not GBNF at {body[at : at + 40]!r}"
            tokens.append(match[1])
            at = match.end()
        grammar.rules[name] = _alternatives(tokens)
        assert not tokens, f"left over in {name}: {tokens}"
    for alternatives in grammar.rules.values():
        _check_names(alternatives, grammar.rules)
    return grammar


def _alternatives(tokens: list[str]) -> list[list[tuple]]:
    found: list[list[tuple]] = [[]]
    while tokens and tokens[0] != ")":
        token = tokens.pop(0)
        if token == "|":
            assert found[-1], "an empty alternative"
            found.append([])
        else:
            found[-1].append((*_value(token, tokens), *_times(tokens)))
    return found


def _value(token: str, tokens: list[str]) -> tuple[str, object]:
    if token == "(":
        inner = _alternatives(tokens)
        assert tokens.pop(0) == ")"
        return "group", inner
    if token[0] == '"':
        return "literal", _unescaped(token[1:-1])
    if token[0] == "[":
        return "class", _characters(token[1:-1])
    return "rule", token


def _times(tokens: list[str]) -> tuple[int, int]:
    if tokens and tokens[0] == "?":
        tokens.pop(0)
        return 0, 1
    if tokens and tokens[0][0] == "{":
        low, high = tokens.pop(0)[1:-1].split(",")
        return int(low), int(high)
    return 1, 1


def _characters(inside: str) -> list[str]:
    assert inside[0] == "^", "only negated classes are used"
    pattern = re.compile(f"[{inside}]")
    return [char for char in ALPHABET if pattern.match(char)]


def _unescaped(text: str) -> str:
    return ESCAPE.sub(lambda m: chr(int(m[1] or m[2], 16)) if m[1] or m[2] else "\n" if m[3] else m[4], text)


def _check_names(alternatives: list[list[tuple]], rules: dict[str, object]) -> None:
    for kind, value, *_ in (item for alternative in alternatives for item in alternative):
        if kind == "rule":
            assert value in rules, f"no rule {value}"
        elif kind == "group":
            _check_names(value, rules)
