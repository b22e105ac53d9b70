"""The second generation of simulated worlds: false alarms, harmful repairs, and profiles that stay what they were."""

from dataclasses import replace
from itertools import islice

import pytest

from flowsteer.backends.base import Message, Origin, Request
from flowsteer.backends.simulated import SimulatedBackend
from flowsteer.backends.simulated_profiles import PROFILES, TYPED, TYPED_2
from flowsteer.backends.simulated_world import TRAP, WRONG, world
from flowsteer.datasets.simulated_tasks import simulated_samples
from flowsteer.draft import EMPTY, Draft, Verdict

N = 120
SCHEMA = {"properties": {"passed": {"type": "boolean"}, "feedback": {"type": "string"}}}
FAILED = Verdict(False, "no")


def tasks(kind, n=N):
    return [sample.task for sample in islice(simulated_samples("test", 0, (kind,)), n)]


async def said(task, operator, category, draft=EMPTY, schema=None, sample="0", profile=TYPED_2):
    origin = Origin("executor", task, operator, category, draft, "", sample)
    request = Request((Message("user", "…"),), json_schema=schema, origin=origin)
    return (await SimulatedBackend(profile).complete(request)).text


async def objects(task, checker, answer, sample="0"):
    text = await said(task, checker, "verification", Draft(answer=answer), SCHEMA, sample)
    return '"passed": false' in text


async def mended(kind, operator, category, shown):
    """Share of tasks whose answer number `shown`, failed by a check, becomes right."""
    right = 0
    for task in tasks(kind):
        here = world(task)
        text = here.answers[shown]
        code = text if kind == "code" else ""
        reply = await said(task, operator, category, Draft(answer=text, code=code, verdict=FAILED))
        right += here.number(reply) == 0
    return right / N


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("typed", "c78ee851"),
        ("flat", "6dd96939"),
        ("null", "643ce36d"),
        ("typed-2", "5f60c303"),
        ("typed-2-small", "a885e11d"),
    ],
)
def test_a_published_table_never_changes(name, digest):
    assert PROFILES[name].digest == digest
    assert SimulatedBackend.from_spec(f"simulated:{name}#{digest}").profile is PROFILES[name]


def test_what_was_added_later_counts_once_it_is_set():
    assert replace(TYPED, harm={}, trap=0.0, mending={}, false_alarm={}).digest == TYPED.digest
    others = ({"harm": TYPED.skill}, {"trap": 0.5}, {"mending": TYPED.skill}, {"false_alarm": TYPED.power})
    digests = {replace(TYPED, **one).digest for one in others}
    assert len(digests | {TYPED.digest}) == 5


@pytest.mark.parametrize(("checker", "kind"), [("Verify", "qa"), ("Review", "math"), ("Verify", "code")])
async def test_a_wrong_checker_raises_a_false_alarm_or_none_once_for_each_task(checker, kind):
    alarms = 0
    for task in tasks(kind):
        right = world(task).answers[0]
        answers = {await objects(task, checker, right, sample) for sample in ("0", "1", "0@1", "2")}
        assert len(answers) == 1
        alarms += answers == {True}
        assert not any([await objects(task, checker, world(task).answers[k]) for k in range(1, WRONG + 1)])
    assert alarms / N == pytest.approx(TYPED_2.false_alarm[checker][kind], abs=0.13)


@pytest.mark.parametrize(("checker", "kind"), [("Verify", "math"), ("Review", "qa")])
async def test_the_right_checker_raises_no_false_alarm_and_sees_faults(checker, kind):
    assert not any([await objects(task, checker, world(task).answers[0]) for task in tasks(kind)])
    seen = sum([await objects(task, checker, world(task).answers[2]) for task in tasks(kind)])
    assert seen / N == pytest.approx(TYPED_2.power[checker][kind], abs=0.1)


@pytest.mark.parametrize("kind", ["math", "qa", "code"])
@pytest.mark.parametrize("repairer", [("Programmer", "solving"), ("AnswerGenerate", "solving"), ("Revise", "revision")])
async def test_a_repair_by_the_wrong_solver_does_harm_to_a_right_answer_said_to_be_wrong(kind, repairer):
    name, category = repairer
    harm = (TYPED_2.harm.get(name) or TYPED_2.harm[category])[kind]
    assert await mended(kind, *repairer, shown=0) == pytest.approx(1 - harm, abs=0.12)
    right = {"math": "Programmer", "qa": "AnswerGenerate", "code": "Programmer"}[kind]
    assert harm < 0.1 if name == right else harm > 0.4


async def test_the_right_solver_mends_what_the_wrong_one_rarely_does():
    for kind, right, wrong in (
        ("math", "Programmer", "AnswerGenerate"),
        ("qa", "AnswerGenerate", "Programmer"),
        ("code", "Programmer", "Custom"),
    ):
        mends = await mended(kind, right, "solving", shown=TRAP)
        revised = await mended(kind, "Revise", "revision", shown=TRAP)
        assert mends > revised + 0.05
        assert revised > await mended(kind, wrong, "solving", shown=TRAP) + 0.1


async def test_errors_are_alike_so_that_votes_cannot_tell_them_from_what_is_right():
    numbers = [world(task).number(await said(task, "Custom", "solving")) for task in tasks("math")]
    wrong = [number for number in numbers if number != 0]
    assert wrong.count(TRAP) > 0.8 * len(wrong) > 0


async def test_in_an_older_world_a_solver_answers_anew_whatever_a_check_said():
    for task in tasks("qa", 30):
        failed = Draft(answer=world(task).answers[1], verdict=FAILED)
        text = await said(
            task, "Custom", "solving", failed, profile=replace(TYPED, skill={"solving": {"qa": 1.0}}, hard=1.0)
        )
        assert world(task).number(text) == 0
