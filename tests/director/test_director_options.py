"""Options behind a Director's spec: temperature and votes."""

import pytest

from flowsteer.api import asolve
from flowsteer.backends.connect import Backends
from flowsteer.backends.simulated import SimulatedBackend
from flowsteer.director.connect import connect_director
from flowsteer.errors import ConfigError
from flowsteer.evaluation.specs import parse_system
from flowsteer.runs.events import Voted
from flowsteer.session import Setup, open_session
from flowsteer.task import Task


async def test_an_llm_draws_at_the_temperature_named() -> None:
    async with Backends(extra={"openai:some": SimulatedBackend()}) as backends:
        director = await connect_director("openai:some?temperature=0.25&votes=2", backends.get)
    assert director.sampling.temperature == 0.25


@pytest.mark.parametrize(
    "spec",
    [
        "a?temperature=-1",
        "a?temperature=inf",
        "a?temperature=1e400",
        "a?temperature=nan",
        "a?votes=0",
        "a?votes=1.5",
        "a?votes=many",
        "a?temperature=0&votes=2",
        "a?votes=1000",
    ],
)
async def test_a_wrong_option_is_refused_with_a_hint(spec: str) -> None:
    async with Backends(extra={"openai:a": SimulatedBackend()}) as backends:
        with pytest.raises(ConfigError) as caught:
            await connect_director(f"openai:{spec}", backends.get)
    assert caught.value.hint


@pytest.mark.parametrize(
    "ask",
    [
        lambda: parse_system("director:simulated:?votes=3 --without multi-turn"),
        lambda: parse_system("search:rounds=2,by=simulated:?votes=3"),
    ],
)
def test_votes_are_refused_where_no_episode_could_vote(ask) -> None:
    with pytest.raises(ConfigError, match="has one vote"):
        ask()


@pytest.mark.parametrize("option", ["votes=3", "temperature=1"])
async def test_a_person_has_one_vote_and_no_temperature(option: str) -> None:
    async with Backends() as backends:
        with pytest.raises(ConfigError, match="a person"):
            await connect_director(f"human?{option}", backends.get)


async def test_a_random_director_has_no_temperature() -> None:
    async with Backends() as backends:
        with pytest.raises(ConfigError, match="temperature"):
            await connect_director("simulated:?temperature=1", backends.get)


async def test_votes_are_counted_where_a_question_is_solved() -> None:
    seen = []
    solved = await asolve(
        "What is 6 times 7?", "math", director="simulated:?votes=3", executor="simulated:typed", emit=seen.append
    )
    (vote,) = [event for event in seen if isinstance(event, Voted)]
    assert len(vote.answers) == 3
    assert solved.answer in vote.answers


async def test_a_system_of_an_evaluation_votes_and_its_first_episode_is_the_one_without_votes() -> None:
    task, ends = Task("What is 6 times 7?", "math"), {}
    async with open_session(Setup(director="", executor="simulated:typed")) as session:
        for spec in ("simulated:", "simulated:?votes=3"):
            seen = []
            await parse_system(f"director:{spec}").run(session, task, seen.append, "e", 5)
            ends[spec] = seen
    (vote,) = [event for event in ends["simulated:?votes=3"] if isinstance(event, Voted)]
    assert len(vote.others) == 2
    assert vote.answers[0] == ends["simulated:"][-1].answer
