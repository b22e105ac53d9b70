"""vLLM as the policy's sampler: on a server apart, or in the learner's own process.

Log-probs must be those of the distribution that was drawn from, since TRL divides the learner's logits by the same
temperature and weighs each token by exp(learner's − sampler's). vLLM gives them in its mode `processed_logprobs`, which
TRL sets in its own process and a server is started with; `versions.Versions` finds out when one is not.
"""

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from flowsteer.errors import BackendUnavailable, PolicySyncError
from flowsteer.training.inference.remote_engine import Ask
from flowsteer.training.inference.sampling_engine import Drawn

if TYPE_CHECKING:
    from openai import AsyncOpenAI

SECONDS, RETRIES = 600.0, 4
"""Longest time of one request, and how often one that failed on its way is made again."""

PLAIN = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "ignore_eos": True}
"""What no turn's distribution is shaped by, said in every request: a server's own defaults come from the model's
`generation_config.json`, which may truncate."""


class Served:
    """A vLLM server, such as `vllm serve` or several behind one address.

    Args:
        url: Its address, without `/v1`.
        model: The weights to ask for by name; none for whatever it serves first.
    """

    def __init__(self, url: str, model: str = "") -> None:
        self.place = url.rstrip("/")
        self.model = model
        self._http: AsyncOpenAI | None = None

    async def draw(self, ask: Ask) -> Drawn:
        """Draw one turn."""
        choice = await self._complete(
            prompt=list(ask.ids),
            max_tokens=ask.most,
            temperature=ask.temperature,
            seed=ask.seed,
            stop_token_ids=[ask.end],
            logprobs=0,
            return_token_ids=True,
            **PLAIN,
        )
        try:
            return Drawn(choice["token_ids"], [_number(one) for one in choice["logprobs"]["token_logprobs"]])
        except (KeyError, TypeError) as error:
            raise BackendUnavailable(
                f"{self.place} gave no token ids with log-probs", "serve the policy with vLLM 0.11 or later"
            ) from error

    async def score(self, ids: Sequence[int]) -> list[float]:
        """Log-probs of all tokens but the first."""
        choice = await self._complete(prompt=list(ids), max_tokens=1, temperature=1.0, prompt_logprobs=0, **PLAIN)
        try:
            given = choice["prompt_logprobs"][1:]
            return [_number(one[str(token)]["logprob"]) for token, one in zip(ids[1:], given, strict=True)]
        except (KeyError, TypeError, ValueError) as error:
            raise BackendUnavailable(
                f"{self.place} gave no log-probs of a prompt", "serve the policy with vLLM 0.11 or later"
            ) from error

    async def load(self, name: str, folder: str) -> None:
        """Load adapters under a name.

        Args:
            name: The name; the server refuses one that it has.
            folder: Where the server finds them.

        Raises:
            PolicySyncError: It cannot load them.
            BackendUnavailable: It cannot be reached.
        """
        await self._post("/load_lora_adapter", {"lora_name": name, "lora_path": folder}, f"load {name}")

    async def unload(self, name: str) -> None:
        """Drop adapters.

        Raises:
            PolicySyncError: It has none of that name.
            BackendUnavailable: It cannot be reached.
        """
        await self._post("/unload_lora_adapter", {"lora_name": name}, f"unload {name}")

    async def served(self) -> str:
        """The name of what it serves first.

        Raises:
            BackendUnavailable: It cannot be reached, or serves nothing.
        """
        import openai

        try:
            models = await self._client.models.list()
        except openai.OpenAIError as error:
            raise self._gone(error) from error
        if not models.data:
            raise BackendUnavailable(f"{self.place} serves no model")
        return models.data[0].id

    async def aclose(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    @property
    def _client(self) -> "AsyncOpenAI":
        """Made at first use, in the event loop that it belongs to."""
        if self._http is None:
            from openai import AsyncOpenAI

            self._http = AsyncOpenAI(base_url=f"{self.place}/v1", api_key="none", timeout=SECONDS, max_retries=RETRIES)
        return self._http

    async def _complete(self, **fields: Any) -> dict[str, Any]:
        import openai

        self.model = self.model or await self.served()
        try:
            reply: Any = await self._client.post("/completions", cast_to=object, body={"model": self.model, **fields})
        except openai.NotFoundError as error:
            raise PolicySyncError(
                f"{self.place} does not serve the weights {self.model!r}",
                "was the server started anew? Start the run again with --resume",
            ) from error
        except openai.OpenAIError as error:
            raise self._gone(error) from error
        if not isinstance(reply, dict) or not isinstance(reply.get("choices"), list) or not reply["choices"]:
            raise BackendUnavailable(f"{self.place} gave no completion")
        choice: dict[str, Any] = reply["choices"][0]
        return choice

    async def _post(self, path: str, body: dict[str, str], what: str) -> None:
        import openai

        try:
            await self._client.post(path, cast_to=str, body=body)
        except openai.APIStatusError as error:
            raise PolicySyncError(
                f"{self.place} could not {what}: {error.message}",
                "start it with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True and --enable-lora, where it can read the run "
                "folder; flowsteer train FILE --dry-run prints the command",
            ) from error
        except openai.OpenAIError as error:
            raise self._gone(error) from error

    def _gone(self, error: Exception) -> BackendUnavailable:
        return BackendUnavailable(
            f"the policy's server {self.place} did not answer: {error}",
            "what is done is kept: once it is back, run the same command with --resume",
        )


class Colocated:
    """vLLM in this process, as TRL starts it in its mode `colocate`; it computes in the event loop's own thread.

    Args:
        engine: vLLM's `LLMEngine`.
    """

    place = "vLLM in this process"

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._numbers = count()
        self._driver: asyncio.Task[None] | None = None

    async def draw(self, ask: Ask) -> Drawn:
        """Draw one turn."""
        output = await self._complete(
            ask.ids,
            max_tokens=ask.most,
            temperature=ask.temperature,
            seed=ask.seed,
            stop_token_ids=[ask.end],
            logprobs=0,
        )
        turn = output.outputs[0]
        logprobs = [_number(one[token].logprob) for token, one in zip(turn.token_ids, turn.logprobs, strict=True)]
        return Drawn(list(turn.token_ids), logprobs)

    async def score(self, ids: Sequence[int]) -> list[float]:
        """Log-probs of all tokens but the first."""
        output = await self._complete(ids, max_tokens=1, temperature=1.0, prompt_logprobs=0)
        given = output.prompt_logprobs[1:]
        return [_number(one[token].logprob) for token, one in zip(ids[1:], given, strict=True)]

    async def _complete(self, ids: Sequence[int], **settings: Any) -> Any:
        from vllm import SamplingParams

        name, done = f"flowsteer-{next(self._numbers)}", asyncio.get_running_loop().create_future()
        self._waiting[name] = done
        self._engine.add_request(name, {"prompt_token_ids": list(ids)}, SamplingParams(**PLAIN, **settings))
        if self._driver is None or self._driver.done():
            self._driver = asyncio.create_task(self._drive())
            self._driver.add_done_callback(self._failed)
        return await done

    async def _drive(self) -> None:
        """Step the engine while anything waits; between two steps the canvases work."""
        while self._waiting:
            for output in self._engine.step():
                if output.finished and not (done := self._waiting.pop(output.request_id)).done():
                    done.set_result(output)
            await asyncio.sleep(0)

    def _failed(self, driver: asyncio.Task[None]) -> None:
        """Whoever waits is told what the engine raised."""
        if not driver.cancelled() and (error := driver.exception()) is not None:
            waiting, self._waiting = self._waiting, {}
            for done in waiting.values():
                if not done.done():
                    done.set_exception(error)


def _number(logprob: float | None) -> float:
    """What was given; NaN where vLLM could compute none, which TRL takes for "not known"."""
    return float("nan") if logprob is None else float(logprob)
