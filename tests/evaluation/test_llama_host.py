"""The embedded servers of a node: each is loaded once, and again if its process is gone."""

from types import SimpleNamespace

from flowsteer.backends.llamacpp import LlamaServer
from flowsteer.errors import BackendUnavailable
from flowsteer.evaluation.llama_host import LlamaHost


async def test_a_server_is_started_once_again_when_it_is_gone_and_what_fails_is_handed_over(monkeypatch):
    started, closed = [], []

    async def start(model, options):
        if model == "broken":
            raise BackendUnavailable("it does not start", "mend it")

        async def aclose():
            closed.append(model)

        started.append(SimpleNamespace(base_url=f"http://{len(started)}/v1", key="secret", ended=False, aclose=aclose))
        return started[-1]

    monkeypatch.setattr(LlamaServer, "start", start)
    host = LlamaHost()
    one = await host.find("smollm2?slots=4")
    assert (one, len(started)) == (await host.find("smollm2?slots=4"), 1)
    assert "secret" not in repr(one)
    started[0].ended = True
    assert (await host.find("smollm2?slots=4")).base_url == "http://1/v1"
    assert closed == ["smollm2"]
    assert isinstance(await host.find("broken"), BackendUnavailable)
