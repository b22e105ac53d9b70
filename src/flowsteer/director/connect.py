"""From a spec such as `human`, `script:FILE` or `llamacpp:smollm2` to a Director."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

from flowsteer.backends.base import Backend, SamplingSettings
from flowsteer.backends.likely_spec import BACKEND_SCHEMES, likely_spec
from flowsteer.backends.simulated_profiles import find_profile
from flowsteer.canvas.director import Director
from flowsteer.director.chat import EVALUATION, ChatDirector
from flowsteer.director.human import HumanDirector
from flowsteer.director.layouts import TASK_CHARS, Layout
from flowsteer.director.random import RandomDirector
from flowsteer.director.scripted import FixedDirector, ScriptedDirector
from flowsteer.director.spec_options import NO_OPTIONS, PRETRAINED, DirectorOptions, cut_options
from flowsteer.errors import ConfigError
from flowsteer.suggestions import nearest, question

GROUP = "flowsteer.directors"
"""Entry-point group: `policy` loads to a function from a folder and `DirectorOptions` to the Director trained in it,
`pretrained` to one from its name and such options to the Director that comes along."""

FIXED = ("dsl", "fixed")
"""Schemes whose rest is a workflow to build; both mean the same."""

SCHEMES = {
    PRETRAINED: PRETRAINED,
    "human": "human",
    "script": "script:FILE",
    "dsl": "dsl:WORKFLOW",
    "fixed": "fixed:WORKFLOW",
}
"""How the Directors that are no LLM are written, by the word before the colon; `simulated:` is a backend, too."""

FORMS = f"{', '.join(SCHEMES.values())}, simulated:, the folder of a training run, or a backend"


async def connect_director(
    spec: str,
    connect: Callable[[str], Awaitable[Backend]],
    *,
    sampling: SamplingSettings = EVALUATION,
    layout: Layout = "conversation",
    constrained: bool | None = None,
    task_chars: int = TASK_CHARS,
) -> Director:
    """The Director that a spec names.

    Args:
        spec: `human`, `script:FILE`, `dsl:WORKFLOW` (or `fixed:WORKFLOW`), `simulated:` (random edits, as in
            `simulated:?seed=1`; profiles of the simulated executor are understood and change nothing), `pretrained`
            (comes along), the folder of a training run, or the spec of a backend whose LLM directs. Behind the last
            four may stand options (`DirectorOptions`): `pretrained?temperature=0.5&votes=3`. Votes are counted by
            `Session.episode`.
        connect: Makes the backend of an LLM that is to direct.
        sampling: How an LLM draws; the paper's evaluation sampling by default.
        layout: How an LLM is shown the episode, if its options do not say; a trained policy takes `lenient` only.
        constrained: Whether an LLM is held to the grammar of the legal actions; None for wherever it can be.
        task_chars: Most characters of question, context and code an LLM is shown, each.

    Raises:
        ConfigError: If the spec is unknown or unusable.
        DSLError: If the workflow of `dsl:` does not parse.
        BackendUnavailable: If the LLM's server cannot be reached.
    """
    asked, (spec, options) = spec, cut_options(spec)
    scheme, _, rest = spec.partition(":")
    if spec == "human":
        if options != NO_OPTIONS:
            raise ConfigError(f"a person has one vote, no temperature and no layout, found {asked}", "--director human")
        return HumanDirector()
    if scheme == "script" and rest:
        return ScriptedDirector.from_file(Path(rest))
    if scheme in FIXED and rest:
        return FixedDirector.from_dsl(rest)
    if scheme == "simulated":
        if options.temperature is not None or options.layout is not None:
            raise ConfigError("the simulated Director has no temperature and no layout", f"--director {spec}")
        return RandomDirector(_seed(spec, rest))
    if is_trained(spec):
        asked_for = options.layout or ("lenient" if layout == "lenient" else None)
        return _trained(spec, replace(options, layout=asked_for))
    if _is_path(spec):
        raise ConfigError(
            f"there is no folder {spec} to load a trained Director from.{question(likely_spec(spec))}",
            "flowsteer train FILE.toml --run DIR makes one",
        )
    if scheme not in BACKEND_SCHEMES and (meant := nearest(scheme, SCHEMES)):
        likely = f"{meant}:{rest}" if rest else SCHEMES[meant]
        raise ConfigError(f"{asked!r} names no Director.{question(likely)}", f"one of: {FORMS}")
    if options.temperature is not None:
        sampling = replace(sampling, temperature=options.temperature)
    if options.votes > 1 and sampling.temperature == 0:
        raise ConfigError("votes at temperature 0 are the same vote", f"{spec}?temperature=0.6&votes={options.votes}")
    return ChatDirector(await connect(spec), sampling, options.layout or layout, constrained, task_chars)


def is_trained(spec: str) -> bool:
    """Whether a spec, without options, names a policy that was trained, here or beforehand."""
    return spec.partition("#")[0] == PRETRAINED or (spec != "" and Path(spec).is_dir())


def _is_path(spec: str) -> bool:
    """Whether a spec looks like a path: backends with a slash have a colon, too."""
    return ":" not in spec and ("/" in spec or spec.startswith("."))


def _trained(spec: str, options: DirectorOptions) -> Director:
    """A policy that was trained, here or beforehand; both are in rooms above this one, and found by entry points."""
    comes_along = spec.partition("#")[0] == PRETRAINED
    (entry,) = entry_points(group=GROUP, name=PRETRAINED if comes_along else "policy")
    try:
        load = entry.load()
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"a trained Director needs the package {error.name}", "pip install 'flowsteer[train]'"
        ) from error
    director: Director = load(spec if comes_along else Path(spec), options)
    return director


def _seed(spec: str, rest: str) -> int:
    """The seed in what follows `simulated:`."""
    match = re.fullmatch(r"([^?]*)(?:\?seed=([0-9]{1,18}))?", rest)
    if match is None or (match[1] and find_profile(match[1]) is None):
        raise ConfigError(f"no simulated Director is called {spec!r}", "use simulated: or simulated:?seed=1")
    return int(match[2] or 0)
