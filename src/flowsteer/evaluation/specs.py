"""From the spec of a system, such as `sc:5` or `mine=sc:5`, to the system."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from flowsteer.credentials import refuse_key
from flowsteer.errors import ConfigError
from flowsteer.evaluation.ablations import ABLATIONS, OPTION, Ablation, ablated
from flowsteer.evaluation.baselines import COT, DIRECT, REFINE, SC_TEMPERATURE, self_consistency
from flowsteer.evaluation.design import Designer, FixedBest
from flowsteer.evaluation.saved_workflows import SCHEME, find_saved
from flowsteer.evaluation.search import Search
from flowsteer.evaluation.systems import System, WorkflowSystem
from flowsteer.suggestions import did_you_mean
from flowsteer.workflow.dsl import parse_dsl

FORMS = "direct, cot, sc:N, refine, fixed:DSL, library:NAME, fixed:best, search:rounds=8,tasks=8, director:SPEC"

_NAMED = re.compile(r"([A-Za-z][\w.-]*)=(.*)", re.DOTALL)
"""A name of the user's own, and the spec."""

VALIDATION_TASKS = 8
"""Validation tasks of each dataset that `fixed:best` uses."""


def parse_system(spec: str) -> System | Designer:
    """The system that a spec names. It connects nothing; `System.check` does.

    * `direct`: one LLM call that is told to answer at once (a second one only if the reply is empty, cut or no code).
    * `cot`: one LLM call that is told to reason step by step (the operator Custom without an instruction).
    * `sc:N`: N such calls at temperature 0.7 and a vote; where no answer has more than half of the votes, one more
      call names the answer that agrees best (`[Custom, …] -> ScEnsemble`).
    * `refine`: step-by-step reasoning, then at most two rounds of a critique and a new solution; it stops as soon as a
      critique finds no fault (`Custom -> (Review -> Revise) * 2`; self-refine, Madaan et al. 2023, arXiv 2303.17651).
    * `fixed:DSL`, `dsl:DSL`: that workflow on every task.
    * `library:NAME`: a workflow of the library that `flowsteer library` mined.
    * `fixed:best`, `search:…`: one workflow for each dataset, chosen on validation tasks.
    * `director:SPEC`: the Director of that spec; ` --without canvas,prompts`, ` --without multi-turn` or
      ` --without agent` behind it name the paper's ablations.

    `NAME=SPEC` calls the system NAME in records and reports.

    For code tasks the answer of each of them is the code, never run before it is graded unless an operator does.

    Args:
        spec: The spec.

    Raises:
        ConfigError: It names no system.
        DSLError: Its workflow does not parse.

    >>> parse_system("sc:3").name
    'sc:3'
    """
    if named := _NAMED.fullmatch(spec):
        return _called(named[1], named[2])
    scheme, _, rest = spec.strip().partition(":")
    if spec in _FIXED:
        return WorkflowSystem(spec, parse_dsl(_FIXED[spec]))
    if spec == "fixed:best":
        return FixedBest(VALIDATION_TASKS)
    if scheme == "search":
        return Search.from_spec(spec)
    if rest and scheme in _MAKERS:
        return _MAKERS[scheme](rest)
    known = [*_FIXED, "search", *_MAKERS]
    raise ConfigError(f"{spec!r} names no system.{did_you_mean(scheme, known)}", f"one of: {FORMS}")


def named_specs(specs: Iterable[str]) -> dict[str, str]:
    """The specs that have a name of the user's own, by that name.

    >>> named_specs(["cot", "mine=fixed:Plan -> Custom"])
    {'mine': 'fixed:Plan -> Custom'}
    """
    return {found[1]: found[2] for found in map(_NAMED.fullmatch, specs) if found}


def parse_systems(specs: Iterable[str], without: Iterable[str] = ()) -> tuple[System | Designer, ...]:
    """The systems of an evaluation, each once.

    Args:
        specs: Their specs.
        without: Ablations; each adds, behind every whole `director:` system, one that goes without it.

    Raises:
        ConfigError: A spec names no system or holds a key, or an ablation has no Director to go without.
        DSLError: A workflow does not parse.
    """
    wanted: list[str] = []
    dropped = list(without)
    for name in dropped:
        _check_ablations(name)
    for spec in specs:
        refuse_key(spec)
        wanted.append(spec)
        bare = _bare(spec)
        if bare.startswith("director:") and OPTION not in bare:
            wanted += [f"{spec}{OPTION}{name}" for name in dropped]
    if dropped and not any(OPTION in spec for spec in wanted):
        raise ConfigError(f"--without {','.join(dropped)} needs a system director:SPEC", "--system director:SPEC")
    if not wanted:
        raise ConfigError("no system was named", f"--system S, one of: {FORMS}")
    systems = tuple(parse_system(spec) for spec in dict.fromkeys(wanted))
    names = [system.name for system in systems]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"two systems are called {twice[0]}", "give each a name of its own: --system NAME=SPEC")
    return systems


def _bare(spec: str) -> str:
    """The spec without a name of the user's own."""
    named = _NAMED.fullmatch(spec)
    return named[2] if named else spec


def _called(name: str, spec: str) -> System | Designer:
    """The system of a spec, under a name of the user's own; what it goes without stays in its name.

    Raises:
        ConfigError: The name means a system already.
    """
    if name in (*_FIXED, "search"):
        raise ConfigError(f"{name} is the name of another system", f"give it a name of its own: my-{name}={spec}")
    _, option, dropped = spec.partition(OPTION)
    system: Any = parse_system(spec)
    return cast("System | Designer", replace(system, name=f"{name}{option}{dropped}"))


def _consistent(count: str) -> System:
    if not count.isdecimal():
        raise ConfigError(f"sc:{count}: expected how often to draw", "sc:5")
    return WorkflowSystem(f"sc:{int(count)}", self_consistency(int(count)), SC_TEMPERATURE)


def _fixed(text: str) -> System:
    return WorkflowSystem(f"fixed:{text}", parse_dsl(text))


def _saved(name: str) -> System:
    found = find_saved(name)
    return WorkflowSystem(f"{SCHEME}{found.name}", found.workflow, operators=found.operators)


def _directed(text: str) -> System:
    director, _, names = text.partition(OPTION)
    return ablated(director.strip(), _check_ablations(names) if OPTION in text else frozenset())


def _check_ablations(names: str) -> frozenset[Ablation]:
    """The ablations in a list with commas.

    Raises:
        ConfigError: One of them is none, or there is none.
    """
    found = [part.strip() for part in names.split(",") if part.strip()]
    for name in found:
        if name not in ABLATIONS:
            near = did_you_mean(name, ABLATIONS)
            raise ConfigError(f"--without {name}: there is no such ablation.{near}", f"one of: {', '.join(ABLATIONS)}")
    if not found:
        raise ConfigError("--without names no ablation", f"one of: {', '.join(ABLATIONS)}")
    return cast("frozenset[Ablation]", frozenset(found))


_FIXED: Mapping[str, str] = {"direct": DIRECT, "cot": COT, "refine": REFINE}
_MAKERS: Mapping[str, Callable[[str], System]] = {
    "sc": _consistent,
    "fixed": _fixed,
    "dsl": _fixed,
    "library": _saved,
    "director": _directed,
}
