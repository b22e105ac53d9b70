"""Systems behind the endpoint, asked by OpenAI's own client and, where that is too polite, by a plain one."""

import asyncio
import json
import signal
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from flowsteer_cli import COMMAND, environment

pytest.importorskip("fastapi")
openai = pytest.importorskip("openai")

from flowsteer.backends.base import Features, Reply  # noqa: E402
from flowsteer.backends.budget import Caps  # noqa: E402
from flowsteer.errors import BackendUnavailable, ConfigError, RunError  # noqa: E402
from flowsteer.exporting.reproduction import reproduction  # noqa: E402
from flowsteer.runs.event_json import event_line  # noqa: E402
from flowsteer.runs.events import EpisodeEnded, Voted  # noqa: E402
from flowsteer.runs.failure import unexpected  # noqa: E402
from flowsteer.runs.folder import RunFolder  # noqa: E402
from flowsteer.runs.summary import tally  # noqa: E402
from flowsteer.serving.admission import ServeLimits  # noqa: E402
from flowsteer.serving.server import ServeSettings, serve  # noqa: E402
from flowsteer.session import Setup  # noqa: E402
from flowsteer.usage import Usage  # noqa: E402
from flowsteer.workflow.dsl import to_dsl  # noqa: E402
from flowsteer.workflow.serial import workflow_from_json  # noqa: E402

WORKFLOW = "Plan -> [Programmer, Custom] -> ScEnsemble -> Verify ? Revise : done"
DIRECTOR, FIXED = f"director:dsl:{WORKFLOW}", "fixed:Plan -> Custom"
ASK = [{"role": "user", "content": "What is 6 times 7?"}]


class Gated:
    """A backend that answers once it is let."""

    spec, features = "gated:", Features()

    def __init__(self, error=None):
        self.asked, self.let, self.gone, self.error = asyncio.Event(), asyncio.Event(), asyncio.Event(), error

    async def complete(self, request):
        self.asked.set()
        if self.error:
            raise self.error
        try:
            await self.let.wait()
        except asyncio.CancelledError:
            self.gone.set()
            raise
        return Reply("42", Usage(1, 10, 2, 0.0, None), "gated")

    async def aclose(self):
        pass


@asynccontextmanager
async def serving(folder, backend=None, systems=(DIRECTOR, FIXED), executor=None, caps=Caps(), **changes):
    """A server in this event loop; its address."""
    executor = executor or ("simulated:" if backend is None else "gated:")
    setup = Setup(director="", executor=executor, caps=caps)
    settings = ServeSettings(systems=systems, setup=setup, run=folder, **changes)
    address = asyncio.get_running_loop().create_future()
    extra = None if backend is None else {"gated:": backend}
    task = asyncio.create_task(serve(settings, address.set_result, extra))
    await asyncio.wait({task, address}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield await address
    finally:
        task.cancel()
        await asyncio.wait({task})


def client(url, **more):
    return openai.AsyncOpenAI(base_url=f"{url}/v1", max_retries=0, **{"api_key": "unused"} | more)


def ended(folder, episode):
    (event,) = (event for event in RunFolder.read(folder).events(episode) if isinstance(event, EpisodeEnded))
    return event


async def test_the_systems_are_listed_as_models(tmp_path):
    async with serving(tmp_path / "r") as url, client(url) as ai:
        models = {model.id: model.flowsteer for model in (await ai.models.list()).data}
        assert (await ai.models.retrieve(FIXED)).flowsteer["dsl"] == "Plan -> Custom"
    assert {name: about["kind"] for name, about in models.items()} == {DIRECTOR: "director", FIXED: "workflow"}


@pytest.mark.parametrize("model", [DIRECTOR, FIXED])
async def test_an_answer_costs_what_its_recorded_episode_cost(tmp_path, model):
    extra = {"type": "math", "context": "Numbers.", "max_turns": 9, "seed": 5}
    messages = [{"role": "system", "content": "Be brief."}, {"role": "assistant", "content": "Yes?"}, *ASK]
    async with serving(tmp_path / "r") as url, client(url) as ai:
        raw = await ai.chat.completions.with_raw_response.create(model=model, messages=messages, extra_body=extra)
        episode, got = raw.headers["x-flowsteer-episode"], raw.parse()
        again = await ai.chat.completions.create(model=model, messages=messages, extra_body=extra)
    record = RunFolder.read(tmp_path / "r")
    last, task = ended(tmp_path / "r", episode), record.events(episode)[0].task
    spent = last.director_usage + last.executor_usage
    assert got.choices[0].message.content == last.answer == again.choices[0].message.content != ""
    assert (got.usage.prompt_tokens, got.usage.completion_tokens) == (spent.prompt_tokens, spent.completion_tokens)
    assert got.usage.total_tokens == spent.tokens > 0
    assert (task.question, task.type) == ("What is 6 times 7?", "math")
    assert task.context == "Numbers.\n\nBe brief.\n\nassistant: Yes?"
    assert record.entries[episode].summary.seed == 5
    assert len(record.entries) == 2


async def test_a_type_that_nobody_names_is_guessed_from_the_question_and_told(tmp_path):
    chat = [{"role": "system", "content": "You are a helpful assistant."}, *ASK]
    asked = (
        ({"messages": chat}, "math", True),
        ({"messages": chat, "context": "They met in 1942."}, "qa", True),
        ({"messages": [{"role": "user", "content": "Write a function that reverses a list."}]}, "code", True),
        ({"messages": chat, "type": "qa"}, "qa", False),
    )
    async with serving(tmp_path / "r") as url, httpx.AsyncClient() as plain:
        for body, kind, guessed in asked:
            got = (await plain.post(f"{url}/v1/chat/completions", json={"model": FIXED} | body)).json()["flowsteer"]
            assert (got["type"], got["type_guessed"]) == (kind, guessed)
            assert RunFolder.read(tmp_path / "r").events(got["episode"])[0].task.type == kind
        design = {"model": FIXED, "question": "What is 6 times 7?"}
        designed = (await plain.post(f"{url}/v1/workflows", json=design)).json()["flowsteer"]
        assert (designed["type"], designed["type_guessed"]) == ("math", True)
    async with serving(tmp_path / "s", type="code") as url, client(url) as ai:
        stream = await ai.chat.completions.create(model=FIXED, messages=chat, stream=True)
        last = [chunk async for chunk in stream][-1].flowsteer
        assert (last["type"], last["type_guessed"]) == ("code", False)


async def test_the_plain_client_works_in_a_thread(tmp_path):
    def ask(url):
        with openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as ai:
            return ai.chat.completions.create(model=FIXED, messages=ASK).choices[0].message.content

    async with serving(tmp_path / "r") as url:
        assert await asyncio.to_thread(ask, url)


async def test_a_stream_holds_the_answer_the_progress_and_the_usage(tmp_path):
    async with serving(tmp_path / "r") as url, client(url) as ai:
        stream = await ai.chat.completions.create(
            model=DIRECTOR,
            messages=ASK,
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"progress": True},
        )
        chunks = [chunk async for chunk in stream]
        whole = await ai.chat.completions.create(model=DIRECTOR, messages=ASK)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    kinds = [chunk.flowsteer["kind"] for chunk in chunks if "kind" in (getattr(chunk, "flowsteer", None) or {})]
    assert text == whole.choices[0].message.content
    assert kinds[0] == "episode_started"
    assert kinds[-1] == "episode_ended"
    assert "node_ran" in kinds
    assert chunks[-1].usage == whole.usage
    assert chunks[-2].choices[0].finish_reason == "stop"


async def test_a_client_that_goes_ends_its_episode(tmp_path):
    backend = Gated()
    async with serving(tmp_path / "r", backend, ("cot",)) as url, client(url) as ai:
        for stream in (False, True):
            backend.asked.clear()
            backend.gone.clear()
            asking = asyncio.create_task(ai.chat.completions.create(model="cot", messages=ASK, stream=stream))
            await asyncio.wait_for(backend.asked.wait(), 5)
            if stream:
                await (await asking).close()
            asking.cancel()
            await asyncio.wait_for(backend.gone.wait(), 5)
        await asyncio.sleep(0.05)
        figures = (await httpx.AsyncClient().get(f"{url}/metrics")).text
    record = RunFolder.read(tmp_path / "r")
    assert [(one.summary.lost.kind, one.summary.lost.message) for one in record.lost()] == [
        ("cancelled", "the client went away")
    ] * 2
    assert 'flowsteer_failures_total{kind="cancelled"} 2.0' in figures


async def test_what_is_too_much_is_refused_in_openais_words(tmp_path):
    backend, limits = Gated(), ServeLimits(concurrency=1, queue=1, body_bytes=2000, seconds=0.5)
    async with serving(tmp_path / "r", backend, ("cot",), limits=limits) as url, client(url) as ai:
        asking = [asyncio.create_task(ai.chat.completions.create(model="cot", messages=ASK)) for _ in range(3)]
        errors = await asyncio.gather(*asking, return_exceptions=True)
        assert sorted(error.status_code for error in errors) == [429, 504, 504]
        assert {error.code for error in errors} == {"queue_full", "timeout"}
        with pytest.raises(openai.APIStatusError) as long:
            await ai.chat.completions.create(model="cot", messages=[{"role": "user", "content": "x" * 3000}])
        assert (long.value.status_code, long.value.code) == (413, "body_too_large")

        async def endless():
            for _ in range(100):
                yield b" " * 100

        async with httpx.AsyncClient() as plain:
            unsaid = await plain.post(f"{url}/v1/chat/completions", content=endless())
        assert unsaid.status_code == 413


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"model": "gpt-5"}, 404, "model"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "system", "content": "hi"}]}, 400, "messages"),
        ({"messages": [{"role": "user", "content": "  "}]}, 400, "messages"),
        ({"type": "poem"}, 400, "type"),
        ({"max_turns": 0}, 400, "max_turns"),
        ({"n": 2}, 400, "n"),
        ({"tools": [{}]}, 400, "tools"),
        ({"response_format": {"type": "json_object"}}, 400, "response_format"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "messages.0.content"),
        ({"max_turns": True}, 400, "max_turns"),
        ({"seed": False}, 400, "seed"),
        ({"budget": {"nope": 1}}, 400, "budget.nope"),
        *(({"budget": {name: True}}, 400, f"budget.{name}") for name in ("calls", "tokens", "seconds", "cost")),
        *(({"budget": {name: -1}}, 400, f"budget.{name}") for name in ("calls", "tokens", "seconds", "cost")),
    ],
)
async def test_a_body_that_does_not_fit_names_the_field(tmp_path, body, status, param):
    async with serving(tmp_path / "r") as url, httpx.AsyncClient() as plain:
        got = await plain.post(f"{url}/v1/chat/completions", json={"model": FIXED, "messages": ASK} | body)
    assert got.status_code == status
    assert set(got.json()["error"]) == {"message", "type", "param", "code"}
    assert got.json()["error"]["param"] == param
    assert not (tmp_path / "r").exists(), "nothing has happened in it"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"n": 2}, "n: an episode has one answer; ask again for another"),
        ({"tools": [{}]}, "tools: a system calls its operators and no tools of a client"),
        ({"response_format": {"type": "json_object"}}, "response_format: an answer is text; ask for no other form"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages.0.content: a system reads text alone, no image_url",
        ),
        ({"budget": 5}, "budget: Input should be a JSON object"),
        ({"stream_options": 5}, "stream_options: Input should be a JSON object"),
        ({"budget": {"call": 1}}, "budget.call: there is no such field; try: one of: calls, tokens, seconds, cost"),
    ],
)
async def test_what_a_model_offers_and_a_system_does_not_is_refused_in_plain_words(tmp_path, body, told):
    offered = {"n": 1, "tools": [], "response_format": {"type": "text"}}
    parts = [{"role": "user", "content": [{"type": "text", "text": "What is 6 times 7?"}]}]
    async with serving(tmp_path / "r") as url, httpx.AsyncClient() as plain:
        asked = {"model": FIXED, "messages": parts} | offered
        got, taken, there = [
            await plain.post(f"{url}{path}", json=one)
            for path, one in (
                ("/v1/chat/completions", asked | body),
                ("/v1/chat/completions", asked),
                ("/chat/completions", asked),
            )
        ]
    assert got.json()["error"]["message"] == told
    assert taken.status_code == 200
    assert there.json()["error"]["message"].endswith("the base URL of a client ends in /v1")


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b'"text"', b"", b"hello", b"[1]", b"\xff"])
async def test_what_is_no_body_at_all(tmp_path, body):
    async with serving(tmp_path / "r") as url, httpx.AsyncClient() as plain:
        got = await plain.post(f"{url}/v1/chat/completions", content=body, headers={"content-type": "application/json"})
        page = await plain.post(
            f"{url}/v1/chat/completions",
            content=json.dumps({"model": FIXED, "messages": ASK}),
            headers={"content-type": "text/plain"},
        )
        nowhere = await plain.get(f"{url}/v2")
    assert (got.status_code, page.status_code, nowhere.status_code) == (400, 400, 404)
    for refused in (got, page):
        error = refused.json()["error"]
        assert (error["param"], error["code"]) == (None, "invalid_body")
        assert error["message"].startswith("the body is no JSON")
        assert "application/json" in error["message"]
    assert all("code" in one.json()["error"] for one in (got, page, nowhere))


async def test_half_a_character_is_told_as_none(tmp_path):
    half = json.dumps({"model": FIXED, "messages": [{"role": "user", "content": [{"type": "\ud800"}]}]})
    lost = Gated(BackendUnavailable("the server said \ud800"))
    async with serving(tmp_path / "r", lost) as url, httpx.AsyncClient() as plain:
        wrong = await plain.post(
            f"{url}/v1/chat/completions", content=half, headers={"content-type": "application/json"}
        )
        gone = await plain.post(f"{url}/v1/chat/completions", json={"model": FIXED, "messages": ASK})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "messages.0.content")
    assert wrong.json()["error"]["message"].endswith("no \ufffd")
    assert (gone.status_code, gone.json()["error"]["message"]) == (503, "the server said \ufffd")


async def test_only_the_key_opens(tmp_path, caplog):
    async with serving(tmp_path / "r", key="right-key") as url, httpx.AsyncClient() as plain:
        async with client(url, api_key="wrong-key") as ai:
            with pytest.raises(openai.AuthenticationError):
                await ai.models.list()
        async with client(url, api_key="right-key") as ai:
            assert (await ai.chat.completions.create(model=FIXED, messages=ASK)).choices
        for path in ("/v1/models", "/metrics", "/openapi.json"):
            assert (await plain.get(f"{url}{path}")).status_code == 401
        assert (await plain.get(f"{url}/healthz")).json() == {"status": "ok"}
    kept = "".join(file.read_text() for file in (tmp_path / "r").rglob("*") if file.is_file())
    assert "right-key" not in kept + caplog.text


async def test_a_name_that_resolves_here_is_no_way_in(tmp_path):
    async with serving(tmp_path / "r") as url, httpx.AsyncClient() as plain:
        port = url.rpartition(":")[2]
        for host, status in (("evil.example", 403), ("", 403), ("localhost", 200), (f"127.0.0.1:{port}", 200)):
            assert (await plain.get(f"{url}/v1/models", headers={"host": host})).status_code == status


async def test_others_are_let_in_with_a_key_only(tmp_path):
    with pytest.raises(ConfigError, match="no key is set"):
        async with serving(tmp_path / "r", host="0.0.0.0"):
            pass
    with pytest.raises(ConfigError, match="a person cannot direct"):
        async with serving(tmp_path / "r", systems=("director:human",)):
            pass


async def test_a_fault_tells_the_client_its_class_alone(tmp_path):
    from flowsteer.serving import player

    async with serving(tmp_path / "r") as url, httpx.AsyncClient() as plain:
        with pytest.MonkeyPatch.context() as patch:

            def fail(*_):
                raise KeyError("a secret")

            patch.setattr(player.Player, "_seat", fail)
            got = await plain.post(f"{url}/v1/chat/completions", json={"model": FIXED, "messages": ASK})
    assert got.status_code == 500
    assert got.json()["error"]["code"] == "internal_error"
    assert "secret" not in got.text
    assert "Traceback" not in got.text


async def test_a_budget_of_its_own_ends_an_episode(tmp_path):
    async with serving(tmp_path / "r") as url, client(url) as ai:
        with pytest.raises(openai.RateLimitError) as refused:
            await ai.chat.completions.create(model=FIXED, messages=ASK, extra_body={"budget": {"calls": 1}})
    assert refused.value.code == "budget_exceeded"
    assert "raise budget.calls" in refused.value.message
    assert "--max-calls" not in refused.value.message


@pytest.mark.parametrize(
    ("model", "budget", "answered"),
    [
        ("sc:3", {"calls": 3}, True),
        ("sc:3", {"calls": 2}, False),
        ("director:pretrained?votes=3", {"calls": 2}, False),
        ("sc:3", {"tokens": 60}, False),
    ],
)
async def test_an_episode_makes_no_call_beyond_its_budget(tmp_path, model, budget, answered):
    """Votes and the steps of one workflow count together; the next request has a budget of its own."""
    backend, asked = Gated(), []
    backend.let.set()
    answer = backend.complete

    async def complete(request):
        asked.append(request)
        return await answer(request)

    backend.complete = complete
    body = {"model": model, "messages": ASK, "budget": budget}
    async with serving(tmp_path / "r", backend, (model,)) as url, httpx.AsyncClient(timeout=60) as plain:
        for _ in range(2):
            asked.clear()
            got = await plain.post(f"{url}/v1/chat/completions", json=body)
            assert got.status_code == (200 if answered else 429), got.text
            assert len(asked) == budget.get("calls", 0)


@pytest.mark.parametrize(("model", "executor"), [("cot", None), ("director:gated:", "simulated:")])
async def test_a_budget_in_dollars_needs_a_known_price(tmp_path, model, executor):
    backend = Gated()
    backend.let.set()
    body = {"model": model, "messages": ASK, "budget": {"cost": 0}}
    async with serving(tmp_path / "r", backend, (model,), executor) as url, httpx.AsyncClient(timeout=60) as plain:
        got = await plain.post(f"{url}/v1/chat/completions", json=body)
    assert got.status_code == 400
    assert got.json()["error"]["param"] == "budget.cost"
    assert "the price of gated: is unknown" in got.json()["error"]["message"]
    assert not backend.asked.is_set()


async def test_a_budget_is_one_over_all_starts(tmp_path):
    async def answered():
        async with serving(tmp_path / "r", systems=("cot",), caps=Caps(calls=3)) as url, httpx.AsyncClient() as plain:
            asked = [
                await plain.post(f"{url}/v1/chat/completions", json={"model": "cot", "messages": ASK}) for _ in "ab"
            ]
        return [one.status_code for one in asked]

    assert [await answered() for _ in range(3)] == [[200, 200], [200, 429], [429, 429]]
    (tmp_path / "r" / "spent.json").unlink()
    assert await answered() == [429, 429], "what the episodes tell is counted where no account was kept"


async def test_what_a_name_of_ones_own_stands_for_is_kept_in_the_record(tmp_path):
    async with serving(tmp_path / "r", systems=("vote=sc:2",)) as url, client(url) as ai:
        raw = await ai.chat.completions.with_raw_response.create(model="vote", messages=ASK)
    record = RunFolder.read(tmp_path / "r")
    ran = reproduction(record, raw.headers["x-flowsteer-episode"])
    assert ran.setup.executor_sampling.temperature == 0.7
    with pytest.raises(RunError, match="vote is the system sc:2, not cot"):
        async with serving(tmp_path / "r", systems=("vote=cot",)):
            pass


@pytest.mark.parametrize(
    ("limit", "own", "hint"), [(60.0, 0.2, "budget.seconds"), (0.2, 60.0, "--timeout"), (0.2, None, "--timeout")]
)
async def test_a_request_that_takes_too_long_is_told_what_to_raise(tmp_path, limit, own, hint):
    asked = {"model": "cot", "messages": ASK, "budget": {"seconds": own}}
    limits = ServeLimits(seconds=limit)
    async with serving(tmp_path / "r", Gated(), ("cot",), limits=limits) as url, httpx.AsyncClient() as plain:
        got = await plain.post(f"{url}/v1/chat/completions", json=asked)
    assert (got.status_code, got.json()["error"]["code"]) == (504, "timeout")
    assert got.json()["error"]["message"].endswith(f"or raise {hint}")


async def test_a_design_runs_nothing(tmp_path):
    async with serving(tmp_path / "r") as url, httpx.AsyncClient() as plain:
        for model, dsl in ((DIRECTOR, WORKFLOW), (FIXED, "Plan -> Custom")):
            got = await plain.post(f"{url}/v1/workflows", json={"model": model, "question": "What is 6 times 7?"})
            assert got.json()["dsl"] == dsl
            assert to_dsl(workflow_from_json(got.json()["workflow"])) == dsl
            kinds = [event.kind for event in RunFolder.read(tmp_path / "r").events(got.json()["id"])]
            assert kinds[0] == "episode_started"
            assert "node_ran" not in kinds


async def test_events_of_an_episode_are_streamed_while_it_runs_and_later(tmp_path):
    backend = Gated()
    async with (
        serving(tmp_path / "r", backend, ("cot",)) as url,
        client(url) as ai,
        httpx.AsyncClient() as plain,
    ):
        stream = await ai.chat.completions.create(model="cot", messages=ASK, stream=True)
        episode = stream.response.headers["x-flowsteer-episode"]
        path = f"{url}/v1/episodes/{episode}/events"
        async with plain.stream("GET", path) as live:
            lines = live.aiter_lines()
            assert [await anext(lines) for _ in range(2)] == ["id: 0", "event: episode_started"]
            backend.let.set()
            rest = [line async for line in lines if line.startswith("event: ")]
        assert [chunk async for chunk in stream]
        later = await plain.get(path, headers={"last-event-id": "0"})
        unknown = await plain.get(f"{url}/v1/episodes/none/events")
        odd = await plain.get(path, headers={"last-event-id": "9" * 5000})
    assert rest == ["event: node_ran", "event: episode_ended", "event: done"]
    assert [line for line in later.text.splitlines() if line.startswith("event: ")] == rest
    assert unknown.status_code == 404
    assert "event: episode_started" in odd.text


async def test_no_event_tells_a_client_a_traceback(tmp_path):
    """Nor does one that holds the events of other votes."""
    async with serving(tmp_path / "r") as url, client(url) as ai:
        raw = await ai.chat.completions.with_raw_response.create(model=FIXED, messages=ASK)
    with RunFolder.create(tmp_path / "r", RunFolder.read(tmp_path / "r").config) as folder:
        started, ran, *rest = folder.events(raw.headers["x-flowsteer-episode"])
        broken = replace(ran, failure=unexpected(KeyError("unit"), "operator Convert"))
        voted = Voted(agreed=1, answers=("6", "7"), others=((started, broken, *rest),), taken=0)
        events = [started, voted, broken, *rest]
        folder.append("failed", tally(events).summary(FIXED), map(event_line, events))
    async with serving(tmp_path / "r") as url, httpx.AsyncClient() as plain:
        got = (await plain.get(f"{url}/v1/episodes/failed/events")).text
    assert got.count('"message": "KeyError: \'unit\'"') == 2
    assert got.count('"trace": ""') == 2


async def test_many_at_once_all_come_back(tmp_path):
    limits = ServeLimits(concurrency=8, queue=100)
    async with serving(tmp_path / "r", limits=limits) as url, client(url) as ai:
        asked = (
            ai.chat.completions.create(
                model=DIRECTOR, messages=[{"role": "user", "content": f"{n} + 1?"}], extra_body={"type": "math"}
            )
            for n in range(60)
        )
        got = await asyncio.gather(*asked)
        figures = (await httpx.AsyncClient().get(f"{url}/metrics")).text
    assert len({one.id for one in got}) == len(RunFolder.read(tmp_path / "r").entries) == 60
    assert 'flowsteer_requests_total{endpoint="/v1/chat/completions",status="200"} 60.0' in figures
    assert "flowsteer_running_episodes 0.0" in figures


async def command(folder, *more):
    """The real command, and its address."""
    pipe, arguments = asyncio.subprocess.PIPE, ("serve", "--system", FIXED, "--port", "0", "--run", "r", *more)
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, cwd=folder, stdout=pipe, stderr=pipe, env=environment()
    )
    return process, (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_answers_and_ends_on_ctrl_c(tmp_path, how):
    process, url = await command(tmp_path, "--executor", "simulated:")
    async with client(url) as ai:
        assert (await ai.chat.completions.create(model=FIXED, messages=ASK)).choices[0].message.content
    process.send_signal(how)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out) == (128 + how, b"")
    assert err.decode().splitlines() == ["episodes are recorded in r", "interrupted"]
    assert len(RunFolder.read(tmp_path / "r").entries) == 1


async def test_a_server_in_the_background_of_a_script_ends_at_a_signal_too(tmp_path):
    """A shell has such jobs ignore Ctrl-C; other commands keep to that, a server would never end."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process, url = await command(tmp_path, "--executor", "simulated:")
    finally:
        signal.signal(signal.SIGINT, before)
    assert url.startswith("http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 30) == 130


async def test_a_kill_leaves_what_was_written(tmp_path):
    process, url = await command(tmp_path, "--executor", "simulated:")
    async with client(url) as ai:
        asking = [
            asyncio.create_task(
                ai.chat.completions.create(model=FIXED, messages=[{"role": "user", "content": f"{n} + 1?"}])
            )
            for n in range(40)
        ]
        done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        process.kill()
        await asyncio.wait(asking)
    await process.communicate()
    answered = [task.result().flowsteer["episode"] for task in asking if task.exception() is None]
    assert len(answered) >= len(done)
    assert all(ended(tmp_path / "r", episode).answer for episode in answered)
    again, url = await command(tmp_path, "--executor", "simulated:")
    async with httpx.AsyncClient() as plain:
        assert (await plain.get(f"{url}/v1/episodes/{answered[0]}/events")).status_code == 200
    again.send_signal(signal.SIGINT)
    await again.communicate()
