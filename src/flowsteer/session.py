"""A session: all that a run needs, connected once and shared: backends, sandbox, operators, budget, cache."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from annotated_types import Ge, Gt

from flowsteer.backends.base import Backend, SamplingSettings
from flowsteer.backends.budget import Budget, Caps
from flowsteer.backends.models import default_executor
from flowsteer.canvas.canvas import Canvas, Settings, rules_for, settings_for
from flowsteer.canvas.director import Director
from flowsteer.canvas.episode import Episode, run_episode
from flowsteer.canvas.votes import voted
from flowsteer.director.chat import EVALUATION
from flowsteer.director.layouts import Layout
from flowsteer.director.spec_options import PRETRAINED, cut_options
from flowsteer.errors import ConfigError
from flowsteer.execution.executor import Execution, Executor
from flowsteer.execution.memo import Memo
from flowsteer.operators.registry import Library, load_library
from flowsteer.runs.events import Emit, ignore
from flowsteer.sandbox.connect import TierChoice
from flowsteer.sandbox.pair import PairSandbox
from flowsteer.settings import check, part_of
from flowsteer.task import Task
from flowsteer.workflow.laws import is_backend
from flowsteer.workflow.nodes import Workflow, steps
from flowsteer.workflow.rules import Rules, RuleSettings, violations

if TYPE_CHECKING:
    from flowsteer.backends.llamacpp import FindLlama

T = TypeVar("T")
_log = logging.getLogger(__name__)

MAX_QUESTION = 100_000
"""Most characters of a question."""

MOST_FIXED = 10_000
"""Most operators, and most operator runs, of a workflow that a person wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSettings:
    """What operators run with.

    Attributes:
        library: Operator libraries, such as `paper` or `paper+tools`.
        sandbox: Where model-written code runs.
        node_seconds: Longest time one node may take.
        caps: Budget of the run.
        cache: File of the response cache; None for none.
        requests: File that what is sent to LLMs is kept in; None for none.
        roster: Backends that single nodes may name: spec by name.
        prices: US dollars for a million tokens read and a million written, by spec: for a model whose price is not
            known, or a local one that is to count as if it were bought.
    """

    library: str = "paper"
    sandbox: TierChoice = "auto"
    node_seconds: Annotated[float, Gt(0)] = 600.0
    caps: Caps = Caps()
    cache: Path | None = None
    requests: Path | None = None
    roster: Mapping[str, str] = field(default_factory=dict)
    prices: Mapping[str, tuple[Annotated[float, Ge(0)], Annotated[float, Ge(0)]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings(OperatorSettings):
    """What a session is asked for, whoever directs.

    Attributes:
        executor: Spec of the LLM that runs the operators; by default the most able model on this machine.
        layout: How an LLM Director is shown the episode.
        constrained: Whether an LLM Director is held to the grammar of the legal actions; None for wherever it can be. A
            Director that is to think first must be let free.
        director_sampling: How an LLM Director draws.
        executor_sampling: How the operators draw.
        seed: Seed of every draw.
    """

    executor: str = field(default_factory=default_executor)
    layout: Layout = "conversation"
    constrained: bool | None = None
    director_sampling: SamplingSettings = EVALUATION
    executor_sampling: SamplingSettings = SamplingSettings()
    seed: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup(SessionSettings):
    """What a session is made of; all of it names things, nothing is connected yet.

    Attributes:
        director: Spec of the Director; empty where none edits.
        canvas: What an episode allows, and what the Director is told: all of it, or changes by name of what a trained
            Director learned on, and of the paper's for any other.
        stream: Whether replies are streamed; None for each provider's default.
    """

    director: str = PRETRAINED
    canvas: Settings | Mapping[str, Any] = field(default_factory=dict)
    stream: bool | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """What is connected.

    Attributes:
        setup: What was asked for.
        library: The operators.
        executor_backend: The LLM of every step that names none.
        roster: The backends a step may name.
        sandbox: Where code runs.
        budget: What may still be spent.
        director: Whoever edits; None where none does.
        served: The model name each server reported, by spec.
        connect_director: Connects a Director by its spec, with this session's sampling and paid from its budget; once,
            however many episodes it directs.
    """

    setup: Setup
    library: Library
    executor_backend: Backend
    roster: Mapping[str, Backend]
    sandbox: PairSandbox
    budget: Budget
    director: Director | None
    served: Mapping[str, str]
    connect_director: Callable[[str], Awaitable[Director]]

    def executor(self, memo: Memo | None = None) -> Executor:
        """An executor; those given the same memo never run the same call twice."""
        return Executor(
            library=self.library,
            backend=self.executor_backend,
            sandbox=self.sandbox,
            memo=Memo() if memo is None else memo,
            roster=self.roster,
            sampling=self.setup.executor_sampling.seeded(self.setup.seed),
            node_seconds=self.setup.node_seconds,
            budget=self.budget,
        )

    def canvas(self, task: Task, emit: Emit = ignore, episode: str = "", memo: Memo | None = None) -> Canvas:
        """A fresh canvas for one episode on a task; it tells a trained Director no more than training did."""
        setup = self.setup
        settings = settings_for(setup.canvas, self.director)
        rules = rules_for(task, self.library, settings, tuple(self.roster))
        seed = seed_of(setup.seed, episode or task.digest)
        return Canvas(task, self.executor(memo), rules, settings, emit, seed)

    async def episode(self, task: Task, emit: Emit = ignore, episode: str = "", memo: Memo | None = None) -> Episode:
        """Let the Director work on a task, to the end of the episode; of several, if its spec asks for votes.

        Raises:
            ConfigError: The session has no Director.
            BackendUnavailable: A backend is gone; nothing is made up.
            SandboxError: The sandbox broke.
            BudgetExceeded: The budget is spent.
        """
        if self.director is None:
            raise ConfigError("this session has no Director", "name one: Setup(director=…)")
        director, setup = self.director, self.setup

        async def play(number: int, tell: Emit) -> Episode:
            seat = replace(self, setup=replace(setup, seed=vote_seed(setup.seed, number)))
            canvas = seat.canvas(task, tell, episode, memo)
            return await run_episode(canvas, director, tell, episode, self.executor_backend.spec)

        return await voted(play, cut_options(setup.director)[1].votes, emit)

    def broken(self, workflow: Workflow) -> tuple[str, ...]:
        """What a fixed workflow breaks, a sentence each; empty if it can run here."""
        categories, backends = self.library.categories, tuple(self.roster)
        return violations(workflow, Rules(categories, max_steps=MOST_FIXED, max_runs=MOST_FIXED, backends=backends))

    def refuse_broken(self, workflow: Workflow) -> None:
        """Refuse a fixed workflow that cannot run here.

        Raises:
            ConfigError: It breaks a rule, such as an operator that does not exist.
        """
        if broken := self.broken(workflow):
            raise ConfigError(f"the workflow cannot run: {'; '.join(broken)}", "flowsteer operators lists what exists")

    async def execute(self, workflow: Workflow, task: Task, emit: Emit = ignore, memo: Memo | None = None) -> Execution:
        """Run a fixed workflow on a task.

        Raises:
            ConfigError: The workflow breaks a rule, such as an operator that does not exist.
            BackendUnavailable: A backend is gone.
            SandboxError: The sandbox broke.
            BudgetExceeded: The budget is spent.
        """
        self.refuse_broken(workflow)
        return await self.executor(memo).run(workflow, task, emit)


@asynccontextmanager
async def open_session(
    setup: Setup, extra: Mapping[str, Backend] | None = None, llama: "FindLlama | None" = None
) -> AsyncIterator[Session]:
    """Connect everything a setup names; leaving the block closes it all.

    Args:
        setup: What to connect.
        extra: Backends made elsewhere, by the spec that names them.
        llama: Finds embedded servers that others own; None to start them here.

    Raises:
        ConfigError: A name is unknown, a key is missing, or a server does not have the model.
        BackendUnavailable: A server cannot be reached.
        SandboxError: The sandbox asked for is not there.
    """
    from flowsteer.backends.budgeted import BudgetedBackend
    from flowsteer.backends.cache import CachedBackend, ResponseCache
    from flowsteer.backends.connect import Backends
    from flowsteer.backends.keeping import KeepingBackend
    from flowsteer.backends.prices import Price
    from flowsteer.director.connect import connect_director
    from flowsteer.director.scripted import FixedDirector
    from flowsteer.runs.request_store import RequestStore
    from flowsteer.sandbox.connect import connect_sandbox

    _check_backends(extra)
    if unfit := [name for name in setup.roster if not is_backend(name)]:
        raise ConfigError(f"{unfit[0]!r} cannot be a backend's name", "--backend big=openai:gpt-5-mini")
    library, budget = load_library(setup.library), Budget(setup.caps)
    async with AsyncExitStack() as stack:
        backends = await stack.enter_async_context(Backends(extra=extra, stream=setup.stream, llama=llama))
        cache = None
        if setup.cache is not None:
            cache = ResponseCache(setup.cache)
            stack.callback(cache.close)
        store = None
        if setup.requests is not None:
            store = RequestStore(setup.requests)
            stack.callback(store.close)
        served: dict[str, str] = {}

        @_once
        async def connect(spec: str) -> Backend:
            backend = await backends.get(spec)
            served[spec] = backends.served(spec)
            _log.info("connected to %s, which serves %s", spec, served[spec])
            stated = Price(*setup.prices[spec]) if spec in setup.prices else None
            asked: Backend = BudgetedBackend(backend, budget, stated)
            # A simulated executor also answers by who asks, which is no part of a request's text, nor of its cache key.
            if cache is not None and not spec.startswith("simulated:"):
                asked = CachedBackend(asked, cache, served[spec])
            return asked if store is None else KeepingBackend(asked, store)

        @_once
        async def direct(spec: str) -> Director:
            director = await connect_director(
                spec,
                connect,
                sampling=setup.director_sampling,
                layout=setup.layout,
                constrained=setup.constrained,
            )
            if isinstance(director, FixedDirector):
                set_here = part_of(settings_for(setup.canvas, director), RuleSettings)
                director.refuse_broken(Rules(library.categories, backends=tuple(setup.roster), **set_here))
            return director

        sandbox = connect_sandbox(setup.sandbox)
        stack.push_async_callback(sandbox.aclose)
        executor = await connect(setup.executor)
        roster = {name: await connect(spec) for name, spec in setup.roster.items()}
        director = await direct(setup.director) if setup.director else None
        yield Session(setup, library, executor, roster, sandbox, budget, director, served, direct)


def _once(make: Callable[[str], Awaitable[T]]) -> Callable[[str], Awaitable[T]]:
    """What makes a thing by its spec, once: whoever asks again gets the same, and whoever asks meanwhile waits for it.

    So a policy is loaded once however many episodes it directs. A Director can be shared, as it keeps nothing of one.
    """
    made: dict[str, T] = {}
    turn = asyncio.Lock()

    async def known(spec: str) -> T:
        async with turn:
            if spec not in made:
                made[spec] = await make(spec)
            return made[spec]

    return known


def deciding(setup: Setup) -> dict[str, Any]:
    """What decides how an episode goes, for the record of a run; budgets, streaming and what is kept do not."""
    from flowsteer.director.connect import is_trained

    values = asdict(setup) | {"roster": dict(setup.roster)}
    prices = {spec: list(price) for spec, price in values.pop("prices").items()}
    values |= {"prices": prices} if prices else {}  # older runs do not name it
    if not isinstance(setup.canvas, Settings) and not is_trained(cut_options(setup.director)[0]):
        values["canvas"] = asdict(settings_for(setup.canvas, None))  # as it was written before some had their own
    for free in ("caps", "cache", "requests", "stream"):
        del values[free]
    return values


def seed_of(seed: int, episode: str) -> int:
    """The seed of one episode: every episode draws anew, and the same one draws the same."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{episode}".encode()).digest()[:4], "big") % 2**31


def vote_seed(seed: int, number: int) -> int:
    """The seed of one of several episodes on a task; the first has the seed that it has alone."""
    return seed_of(seed, f"vote {number}") if number else seed


def roster_of(workflow: Workflow) -> dict[str, str]:
    """Backends that a workflow's own steps name by spec: those of a file its user wrote, never those of a Director."""
    return {step.backend: step.backend for step in steps(workflow.nodes) if step.backend}


def checked_setup(setup: Setup | None, **named: Any) -> Setup:
    """The setup of a call, with what the call names of its own.

    Args:
        setup: The setup; the usual one for None.
        named: Values by name; what is None is left to the setup.

    Raises:
        ConfigError: It is no setup, or a value does not fit.
    """
    if not isinstance(setup, Setup | None):
        raise ConfigError(f"the setup is a {type(setup).__name__}, no Setup", "setup=flowsteer.Setup(seed=1)")
    given = {name: value for name, value in named.items() if value is not None}
    values = part_of(setup or Setup(), Setup) | given
    checked = check(Setup, values, "the setup")
    if isinstance(values["canvas"], Settings):
        return checked
    return replace(checked, canvas=values["canvas"])  # a few changes by name stay that: pydantic makes a whole of them


def _check_backends(extra: Mapping[str, Backend] | None) -> None:
    """Refuse what is no backend, such as the client of another library.

    Raises:
        ConfigError: One is none.
    """
    if not isinstance(extra, Mapping | None):
        raise ConfigError(f"extra is a {type(extra).__name__}, no backends by their specs", 'extra={"mine:": backend}')
    for spec, backend in (extra or {}).items():
        missing = [name for name in ("spec", "features", "complete") if not hasattr(backend, name)]
        if missing:
            raise ConfigError(
                f"{spec!r} is given a {type(backend).__name__}, which is no flowsteer.Backend: "
                f"it has no {', no '.join(missing)}",
                'name a server instead: executor="http://HOST:PORT/v1#MODEL"',
            )


def checked_question(question: str) -> str:
    """The question without blank ends.

    Raises:
        ConfigError: It is empty or longer than `MAX_QUESTION`.
    """
    text = question.strip()
    if not text:
        raise ConfigError("the question is empty", 'flowsteer solve "What is 6 times 7?"')
    if len(text) > MAX_QUESTION:
        raise ConfigError(
            f"the question has {len(text):,} characters; at most {MAX_QUESTION:,}",
            "put long material into a file: --context FILE",
        )
    return text
