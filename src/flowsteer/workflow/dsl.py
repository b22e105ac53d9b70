"""Workflows as one line of text (spec §2), read and written.

    sequence    = term { "->" term }
    term        = atom | check "?" branch ":" branch          (binds tighter than "->")
    atom        = step | "[" sequence { "," sequence } "]" | "(" sequence ")" [ "*" COUNT ]
    step        = NAME [ "@" BACKEND ]
    branch      = "done" | "(" "done" ")" | term

A step runs on the run's executor unless it names another backend: `Custom@big`, or in quotes what is no plain name,
`Custom@"openai:gpt-5-mini"`. The first branch of a conditional runs when the check FAILS. A group without `*` only
groups: it flattens into what surrounds it. The empty text is the empty workflow. Only syntax and the laws of structures
are checked here; whether an operator exists is for the rules to say.

The parser is recursive descent, written by hand: one function a grammar rule, exact positions, messages that know
what they expected, no grammar to compile at the first use, and tens of microseconds a line.
"""

import re

from flowsteer.errors import DSLError
from flowsteer.workflow.laws import DONE, MAX_DEPTH, NAME, depth
from flowsteer.workflow.nodes import (
    MAX_LOOP,
    Conditional,
    Loop,
    Node,
    NodeId,
    Parallel,
    Sequence,
    Step,
    Structure,
    Workflow,
)
from flowsteer.workflow.tree import renumbered

MAX_TEXT = 100_000
"""Longest text read, in characters."""

SYNTAX = "A -> B | [A, B -> C] | Check ? IfFail : IfPass | (A -> B) * 3 | done | A@backend"

_PLAIN = r"\w+(?:[.-]\w+)*"
_TOKEN = re.compile(rf'\s*(->|[\[\](),?:*]|[0-9]+|{NAME}|@(?:{_PLAIN}|"[^"\n]+"))')
_IS_PLAIN = re.compile(_PLAIN).fullmatch
_IS_NAME = re.compile(NAME).fullmatch
_UNNUMBERED = NodeId("")
_MARGIN = 60
"""Characters shown on either side of a fault."""


def parse_dsl(text: str) -> Workflow:
    """Read a workflow; nodes get the ids node_1, node_2, … in reading order.

    Args:
        text: DSL text; white space and line breaks do not matter.

    Returns:
        The workflow; steps have no instruction, which the DSL cannot say.

    Raises:
        DSLError: If the text does not parse or breaks a law of structures; it says where, with a caret.

    >>> to_dsl(parse_dsl("Plan->(([Programmer,Custom]))->ScEnsemble->(Verify?Revise:done)"))
    'Plan -> [Programmer, Custom] -> ScEnsemble -> Verify ? Revise : done'
    """
    return Workflow(*renumbered(_Parser(text).parse(), 1))


def parse_list(text: str) -> tuple[Sequence, ...]:
    """Read sequences with commas between them, at least one and none empty; ids are not set.

    Raises:
        DSLError: If the text does not parse.

    >>> [to_dsl(nodes) for nodes in parse_list("A -> B, [C, D]")]
    ['A -> B', '[C, D]']
    """
    return _Parser(text).parse_list()


def parse_structure(text: str) -> Structure:
    """Read exactly one structure, such as `[Plan -> Programmer, Custom]`.

    Raises:
        DSLError: If the text does not parse, or is anything but one parallel, conditional or loop.
    """
    nodes = parse_dsl(text).nodes
    if len(nodes) != 1 or isinstance(nodes[0], Step):
        found = f"{len(nodes)} nodes in sequence" if len(nodes) != 1 else "a single operator"
        raise _error(text, 0, f"expected one structure, found {found}")
    return nodes[0]


def to_dsl(workflow: Workflow | Sequence) -> str:
    """Write a workflow as one line of text; reading it back gives the same shape.

    Args:
        workflow: A workflow, or a sequence of nodes.
    """
    return _sequence(workflow.nodes if isinstance(workflow, Workflow) else workflow)


def _sequence(nodes: Sequence) -> str:
    return " -> ".join([step_dsl(node) if isinstance(node, Step) else _structure(node) for node in nodes])


def step_dsl(step: Step) -> str:
    """A step's operator, and its backend if it names one.

    >>> step_dsl(Step(NodeId("node_1"), "Custom", backend="big"))
    'Custom@big'
    """
    return f"{step.operator}@{backend_dsl(step.backend)}" if step.backend else step.operator


def backend_dsl(name: str) -> str:
    """A backend as it stands behind `@`: in quotes unless its name is plain."""
    return name if _IS_PLAIN(name) else f'"{name}"'


def _structure(node: Structure) -> str:
    match node:
        case Parallel(_, branches):
            return f"[{', '.join([_sequence(branch) for branch in branches])}]"
        case Conditional(_, check, if_fail, if_pass):
            return f"{step_dsl(check)} ? {_branch(if_fail)} : {_branch(if_pass)}"
        case Loop(_, body, count):
            return f"({_sequence(body)}) * {count}"


def _branch(nodes: Sequence) -> str:
    if not nodes:
        return DONE
    alone = len(nodes) == 1 and not isinstance(nodes[0], Conditional)
    return _sequence(nodes) if alone else f"({_sequence(nodes)})"


class _Parser:
    """Reads one text; every method reads one rule of the grammar from the current token on."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.index = 0
        self.level = 0

    def parse(self) -> Sequence:
        if not self.word:
            return ()
        nodes = self.sequence()
        if self.word:
            raise self.unexpected("'->' or the end")
        return nodes

    def parse_list(self) -> tuple[Sequence, ...]:
        found = [self.sequence()]
        while self.take(","):
            found.append(self.sequence())
        if self.word:
            raise self.unexpected("'->', ',' or the end")
        return tuple(found)

    def sequence(self) -> Sequence:
        nodes = [*self.term()]
        while self.take("->"):
            nodes += self.term()
        return tuple(nodes)

    def term(self) -> Sequence:
        start = self.position
        nodes = self.atom()
        if not self.take("?"):
            return nodes
        check = nodes[0]
        if len(nodes) != 1 or not isinstance(check, Step):
            raise _error(self.text, start, "the check before '?' must be one operator")
        self.open(start)
        if_fail = self.branch()
        self.expect(":", "':' and the branch for a passed check (a branch of several steps needs brackets: (A -> B))")
        if_pass = self.branch()
        return self.close(Conditional(_UNNUMBERED, check, if_fail, if_pass), start)

    def branch(self) -> Sequence:
        if self.take(DONE):
            return ()
        if self.word == "(" and self.tokens[self.index + 1][0] == DONE:
            self.index += 2
            self.expect(")", "')' right after 'done'")
            return ()
        return self.term()

    def atom(self) -> Sequence:
        start, word = self.position, self.word
        if word == DONE:
            raise _error(self.text, start, "'done' can only be a whole branch of a conditional")
        if self.take("["):
            return self.parallel(start)
        if self.take("("):
            return self.group(start)
        if _IS_NAME(word):
            self.index += 1
            return (Step(_UNNUMBERED, word, backend=self.backend()),)
        raise self.unexpected("an operator, '[' or '('")

    def backend(self) -> str:
        """The backend behind a step's name; empty if none is there."""
        word = self.word
        if not word.startswith("@"):
            return ""
        self.index += 1
        return word[1:].strip('"')

    def parallel(self, start: int) -> Sequence:
        self.open(start)
        branches = [self.sequence()]
        while self.take(","):
            branches.append(self.sequence())
        self.expect("]", "'->', ',' or the closing ']'")
        if len(branches) < 2:
            raise _error(self.text, start, "a parallel needs at least two branches, separated by commas")
        return self.close(Parallel(_UNNUMBERED, tuple(branches)), start)

    def group(self, start: int) -> Sequence:
        self.open(start)
        nodes = self.sequence()
        self.expect(")", "'->' or the closing ')'")
        if self.take("*"):
            return self.close(Loop(_UNNUMBERED, nodes, self.count()), start)
        self.level -= 1
        return nodes

    def count(self) -> int:
        start, word = self.position, self.word
        wanted = f"how often the loop repeats: a number from 1 to {MAX_LOOP}"
        if not word.isdecimal():
            raise self.unexpected(wanted)
        self.index += 1
        digits = word.lstrip("0")
        if not digits or len(digits) > len(str(MAX_LOOP)) or int(digits) > MAX_LOOP:
            raise _error(self.text, start, f"expected {wanted}, found {_clipped(word)}")
        return int(digits)

    @property
    def word(self) -> str:
        """The current token's text; empty at the end."""
        return self.tokens[self.index][0]

    @property
    def position(self) -> int:
        return self.tokens[self.index][1]

    def take(self, token: str) -> bool:
        """Step over the token if it is the current one."""
        if self.word != token:
            return False
        self.index += 1
        return True

    def expect(self, token: str, expected: str) -> None:
        if not self.take(token):
            raise self.unexpected(expected)

    def open(self, start: int) -> None:
        """Enter a bracket or a conditional. A structure takes at most two levels: itself and a group in a branch."""
        self.level += 1
        if self.level > 2 * MAX_DEPTH:
            raise _error(self.text, start, f"brackets nest too deep; structures nest at most {MAX_DEPTH} deep")

    def close(self, node: Node, start: int) -> Sequence:
        self.level -= 1
        if depth((node,)) > MAX_DEPTH:
            raise _error(self.text, start, f"structures nest too deep; at most {MAX_DEPTH}")
        return (node,)

    def unexpected(self, expected: str) -> DSLError:
        if self.word == "*":
            expected += "; only a group can repeat: write (A) * 2"
        found = f"'{_clipped(self.word)}'" if self.word else "the end"
        return _error(self.text, self.position, f"expected {expected}, found {found}")


def _tokens(text: str) -> list[tuple[str, int]]:
    """Tokens with their positions, and at last an empty one at the end of the text."""
    if len(text) > MAX_TEXT:
        raise _error(text, MAX_TEXT, f"the text is too long: {len(text)} characters; at most {MAX_TEXT}")
    end = len(text.rstrip())
    tokens: list[tuple[str, int]] = []
    position = 0
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            fault = position + len(text[position:]) - len(text[position:].lstrip())
            raise _error(text, fault, f"{text[fault]!r} has no meaning here")
        tokens.append((match[1], match.start(1)))
        position = match.end()
    tokens.append(("", end))
    return tokens


def _error(text: str, position: int, what: str) -> DSLError:
    """The error with the line it is in, cut to a window around the fault, and a caret under it."""
    line_start = text.rfind("\n", 0, position) + 1
    line_end = text.find("\n", position)
    first = max(line_start, position - _MARGIN)
    last = min(len(text) if line_end < 0 else line_end, position + _MARGIN)
    shown = "".join(character if character.isprintable() else " " for character in text[first:last])
    message = f"workflow text, character {position + 1}: {what}\n  {shown}\n  {' ' * (position - first)}^"
    return DSLError(message, position, f"syntax: {SYNTAX}")


def _clipped(token: str) -> str:
    return token if len(token) <= _MARGIN else token[:_MARGIN] + "…"
