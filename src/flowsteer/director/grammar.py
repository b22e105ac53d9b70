r"""The grammar of the replies that are legal now, in GBNF, rebuilt each turn for constrained decoding (spec §3).

It knows the operators, the nodes and containers that exist, how many operators still fit and whether a finish is
allowed, so whatever it admits parses and is accepted by the canvas, but for the bound on how often nested loops run in
all, which is no matter of grammar. It admits less than the language does: structures
are added flat (chains of operators; nesting comes from `<target>` and set_structure) and none any more where one nests
as deep as it may, free text is one line without `<`, and it leaves out `<answer>`.

The text uses only what llama.cpp's GBNF and xgrammar's EBNF have in common (literals, character classes, groups,
alternatives, `?` and `{m,n}`), so vLLM takes the same text: `structured_outputs={"grammar": …}`.
"""

from collections.abc import Iterable

from flowsteer.canvas.director import Observation
from flowsteer.errors import ConfigError
from flowsteer.workflow.dsl import backend_dsl
from flowsteer.workflow.laws import DONE, MAX_DEPTH, depth
from flowsteer.workflow.nodes import MAX_LOOP, Conditional, NodeId, Sequence, Step, steps, walk
from flowsteer.workflow.rules import Rules
from flowsteer.workflow.tree import containers

PROMPT_CHARS = 300
"""Longest instruction a constrained Director may write, in characters."""

MAX_CHAIN = 3
"""Most operators in one branch, and nodes in a wrapped true branch."""

MAX_NEW = 6
"""Most operators in one new structure."""

SPACES = r"\x01-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f\u3000"
"""What an instruction may not start with, so that it is never blank: controls and spaces."""

Productions = dict[str, str]


def action_grammar(observation: Observation, prompt_chars: int = PROMPT_CHARS, think_chars: int = 0) -> str:
    """The grammar of every reply that is legal now.

    Args:
        observation: What the Director sees.
        prompt_chars: Longest instruction, in characters.
        think_chars: Longest thinking before the reply, in characters; 0 for none.

    Returns:
        GBNF text whose first rule is `root`.

    Raises:
        ConfigError: If no action is legal at all (a canvas that allows no operator).
    """
    rules: Productions = {"text": rf"[^<{SPACES}] [^<\x01-\x1f\x7f]{{0,{prompt_chars - 1}}}"}
    reply = _tag("prompt", "text") if observation.asks_prompt else _either(_actions(observation, rules))
    if think_chars:
        rules["thinking"] = _tag("think", rf"[^<\x01-\x08\x0b-\x1f\x7f]{{0,{think_chars}}}")
        reply = f'thinking "\\n" ({reply})'
    return "\n".join(f"{name} ::= {body}" for name, body in ({"root": reply} | rules).items()) + "\n"


def _actions(observation: Observation, rules: Productions) -> list[str]:
    legal = _adds(observation, rules)
    nodes = observation.workflow.nodes
    if nodes and _may_nest(observation):
        legal += _wraps(observation, rules)
    if nodes:
        legal += _on_nodes(observation)
    if not observation.unmet:
        legal.append(_action("finish"))
    if not legal:
        raise ConfigError("no action is legal on this canvas", "raise max_steps or choose a library with operators")
    return legal


def _adds(observation: Observation, rules: Productions) -> list[str]:
    """Adds of a step and of each structure that still fits; defines their rules."""
    canvas = observation.rules
    room = min(MAX_NEW, canvas.max_steps - sum(1 for _ in steps(observation.workflow.nodes)))
    if room < 1 or not canvas.categories:
        return []
    rules["op"] = _words(canvas.categories)
    rules["step"] = "op" + _named(canvas)  # in structures
    rules["place"] = _either(_places(observation))
    prompt = "" if canvas.two_step else f" ({_tag('prompt', 'text')})?"
    backend = f" ({_tag('backend', _words(canvas.backends))})?" if canvas.backends else ""
    legal = [f"{_action('add')} {_tag('operator', 'op')}{prompt}{backend} place?"]
    if not _may_nest(observation):
        return legal
    rules["count"] = _words(map(str, range(1, MAX_LOOP + 1)))
    loop = f"{_tag('operators', _chain(min(room, MAX_CHAIN)))} {_tag('count', 'count')}"
    legal.append(f"{_action('add', 'loop')} {loop} place?")
    if room < 2:
        return legal
    legal.append(f"{_action('add', 'parallel')} {_tag('operators', _branches(room, rules))} place?")
    checks = canvas.of("verification")
    if checks:
        rules["check"] = _words(checks) + _named(canvas)
        legal.append(f"{_action('add', 'conditional')} {_tag('condition', 'check')} {_choice(room - 1)} place?")
    return legal


def _may_nest(observation: Observation) -> bool:
    """Whether a structure more, wherever it is, keeps within the law of how deep they nest."""
    return depth(observation.workflow.nodes) < MAX_DEPTH


def _named(canvas: Rules) -> str:
    """The backend that may stand behind an operator in a structure."""
    return f' ("@" {_words(map(backend_dsl, canvas.backends))})?' if canvas.backends else ""


def _places(observation: Observation) -> list[str]:
    """Every container that exists, each with its positions; the top level needs no target."""
    places = []
    for name, children in containers(observation.workflow.nodes).items():
        position = _tag("position", _words(map(str, range(len(children) + 1))))
        places.append(f"{_tag('target', _word(name))} ({position})?" if name else position)
    return places


def _chain(longest: int) -> str:
    """One to `longest` operators in sequence."""
    return f'step (" -> " step){{0,{longest - 1}}}' if longest > 1 else "step"


def _branches(room: int, rules: Productions) -> str:
    """Two or more chains of together at most `room` operators; rule `rest-n` is a list of at most n operators."""
    for left in range(1, room):
        rules[f"rest-{left}"] = _either(_chains_then(left, optional=True))
    return _either(_chains_then(room, optional=False))


def _chains_then(room: int, optional: bool) -> list[str]:
    found = []
    for length in range(1, min(MAX_CHAIN, room) + 1):
        chain = ' " -> " '.join(["step"] * length)
        if length < room:
            rest = f'", " rest-{room - length}'
            found.append(f"{chain} ({rest})?" if optional else f"{chain} {rest}")
        elif optional:
            found.append(chain)
    return found


def _choice(room: int) -> str:
    """The two branches of a conditional, together of one to `room` operators."""
    done = _word(DONE)
    both = [
        f"{_tag('true', _chain(length))} {_tag('false', _chain(min(room - length, MAX_CHAIN)))}"
        for length in range(1, min(room, MAX_CHAIN + 1))
    ]
    one = _chain(min(room, MAX_CHAIN))
    return _either([f"{_tag('true', one)} {_tag('false', done)}", f"{_tag('true', done)} {_tag('false', one)}", *both])


def _wraps(observation: Observation, rules: Productions) -> list[str]:
    """Every wrap of neighbours; rule `run-ID` is that node and any number of the siblings right after it."""
    rules["count"] = _words(map(str, range(1, MAX_LOOP + 1)))
    first: list[str] = []
    pairs: list[str] = []
    choices: list[str] = []
    for siblings in containers(observation.workflow.nodes).values():
        for index, node in enumerate(siblings):
            following = siblings[index + 1 :]
            rules[_run(node.id)] = _word(node.id) + (f' ("," {_run(following[0].id)})?' if following else "")
            first.append(_run(node.id))
            if following:
                pairs.append(f"{_word(node.id + ',')} {_run(following[0].id)}")
            if isinstance(node, Step) and observation.rules.categories[node.operator] == "verification":
                choices += [f"{_tag('condition', _word(node.id))} {split}" for split in _splits(following)]
    legal = [f"{_action('set_structure', 'loop')} {_tag('target', _either(first))} {_tag('count', 'count')}"]
    if pairs:
        legal.append(f"{_action('set_structure', 'parallel')} {_tag('target', _either(pairs))}")
    if choices:
        legal.append(f"{_action('set_structure', 'conditional')} {_either(choices)}")
    return legal


def _splits(following: Sequence) -> list[str]:
    """The branches a check and the siblings after it can become."""
    if not following:
        return []
    done, run = _word(DONE), _run(following[0].id)
    found = [f"{_tag('true', run)} {_tag('false', done)}", f"{_tag('true', done)} {_tag('false', run)}"]
    for length in range(1, min(len(following), MAX_CHAIN + 1)):
        if_fail = _word(",".join(node.id for node in following[:length]))
        found.append(f"{_tag('true', if_fail)} {_tag('false', _run(following[length].id))}")
    return found


def _on_nodes(observation: Observation) -> list[str]:
    """Delete, modify and set_prompt of what exists: a check stays with its conditional and stays a check."""
    canvas, tree = observation.rules, list(walk(observation.workflow.nodes))
    checks = {node.check.id for node in tree if isinstance(node, Conditional)}
    legal = [f"{_action('delete')} {_tag('target', _words(node.id for node in tree if node.id not in checks))}"]
    changes = []
    for node in tree:
        if not isinstance(node, Step):
            continue
        names = canvas.of("verification") if node.id in checks else canvas.categories
        others = [name for name in names if name != node.operator]
        if others:
            changes.append(f"{_tag('target', _word(node.id))} {_tag('operator', _words(others))}")
    if changes:
        legal.append(f"{_action('modify')} {_either(changes)}")
    ids = _words(node.id for node in tree if isinstance(node, Step))
    return [*legal, f"{_action('set_prompt')} {_tag('target', ids)} {_tag('prompt', 'text')}"]


def _run(node: NodeId) -> str:
    return f"run-{node.replace('_', '-')}"


def _action(name: str, structure: str = "") -> str:
    return _word(f"<action>{name}</action>" + (f"<structure>{structure}</structure>" if structure else ""))


def _tag(name: str, content: str) -> str:
    return f"{_word(f'<{name}>')} {content} {_word(f'</{name}>')}"


def _either(alternatives: list[str]) -> str:
    return alternatives[0] if len(alternatives) == 1 else f"({' | '.join(alternatives)})"


def _words(words: Iterable[str]) -> str:
    return _either([_word(word) for word in words])


def _word(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
