"""What may stand behind the spec of an LLM or a trained policy that directs: `runs/trained?temperature=0.5&votes=3`."""

import re
from dataclasses import dataclass
from math import inf
from typing import Annotated

from annotated_types import Ge, Le, Lt

from flowsteer.director.layouts import Layout
from flowsteer.errors import ConfigError
from flowsteer.settings import check

PRETRAINED = "pretrained"
"""The Director that comes along; the hash of its weights may stand behind it: `pretrained#5e3c…`."""

MOST_VOTES = 64
_PATHS_AND_TEXT = ("script", "dsl", "fixed")
"""Schemes whose rest is the user's own, and a `?` in it nothing but that."""
_OPTION = re.compile(r"(temperature|votes|layout)=.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DirectorOptions:
    """How a Director draws, how often it is asked, and how it sees the episode.

    Attributes:
        temperature: At which it draws; None for its own: 0 for a trained one, that of the end of its training if there
            are votes, and the session's sampling for an LLM.
        votes: So many episodes are played on each task, and the answer that most of them give is taken.
        layout: How it sees the episode; None for that of the session, or for what a policy's card says.
    """

    temperature: Annotated[float, Ge(0), Lt(inf)] | None = None
    votes: Annotated[int, Ge(1), Le(MOST_VOTES)] = 1
    layout: Layout | None = None


NO_OPTIONS = DirectorOptions()


def cut_options(spec: str) -> tuple[str, DirectorOptions]:
    """A Director's spec without these options, and the options; those of its backend stay with it.

    Raises:
        ConfigError: A value is none, or votes are asked for at temperature 0, where all episodes are the same.

    >>> cut_options("llamacpp:smollm2?threads=2&votes=3")
    ('llamacpp:smollm2?threads=2', DirectorOptions(temperature=None, votes=3, layout=None))
    >>> cut_options("dsl:Test ? Revise : done")[1].votes
    1
    """
    bare, mark, query = spec.rpartition("?")
    if not mark or spec.partition(":")[0] in _PATHS_AND_TEXT:
        return spec, NO_OPTIONS
    parts = query.split("&")
    named = [part for part in parts if _OPTION.fullmatch(part)]
    others = [part for part in parts if part not in named]
    try:
        options = check(DirectorOptions, {}, f"the Director {spec}", named)
    except ConfigError as error:
        raise ConfigError(error.message, f"such as {bare}?temperature=0.5&votes=3") from error
    if options.votes > 1 and options.temperature == 0:
        raise ConfigError(
            f"{options.votes} votes at temperature 0 are the same vote", f"{bare}?temperature=0.5&votes={options.votes}"
        )
    return (f"{bare}?{'&'.join(others)}" if others else bare), options


def refuse_votes(spec: str, who: str) -> None:
    """Refuse votes where no episodes are played that could vote.

    Args:
        spec: The Director's spec.
        who: What it is there, for the message.

    Raises:
        ConfigError: It asks for votes.
    """
    bare, options = cut_options(spec)
    if options.votes > 1:
        raise ConfigError(f"{who} has one vote, and {spec} asks for {options.votes}", f"{bare} without votes=")
