"""From a spec such as `openai:gpt-5-mini` to a backend that is known to be there."""

import asyncio
import difflib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from flowsteer.backends.base import Backend
from flowsteer.backends.likely_spec import likely_spec
from flowsteer.backends.limits import Limiter, Limits
from flowsteer.backends.llama_options import LlamaOptions
from flowsteer.backends.llamacpp import FindLlama, LlamaAddress, LlamaServer, name_of
from flowsteer.backends.openai import Catalogue, Endpoint, OpenAIBackend
from flowsteer.backends.packed import PackedBackend, packed_model
from flowsteer.backends.presets import PRESETS, SERVER, Preset
from flowsteer.credentials import refuse_key
from flowsteer.errors import ConfigError
from flowsteer.suggestions import question
from flowsteer.unicode import refuse_unsound

_FORMS = (
    "PRESET:MODEL, http://HOST/v1#MODEL, https://HOST/v1#MODEL, llamacpp:NAME, llamacpp:FILE.gguf, "
    "recorded:FILE or simulated:PROFILE"
)
_SHOWN = 10


class Backends:
    """All backends of a process: one client and one limiter per server, however many ask for it.

    Use it as an async context manager, from one event loop; leaving it closes every connection and server it made.

        async with Backends() as backends:
            backend = await backends.get("llamacpp:smollm2")

    Args:
        extra: Backends made elsewhere, by the spec that names them; whoever made them closes them.
        stream: Take replies in pieces or in one; None takes each preset's default.
        limits: Limits by preset name (`http` for servers given by URL), instead of the preset's.
        llama: Finds embedded servers that others own; None to start them here.
    """

    def __init__(
        self,
        *,
        extra: Mapping[str, Backend] | None = None,
        stream: bool | None = None,
        limits: Mapping[str, Limits] | None = None,
        llama: FindLlama | None = None,
    ) -> None:
        self._ready: dict[str, Backend] = dict(extra or {})
        self._endpoints: dict[tuple[str, str], tuple[Endpoint, Catalogue]] = {}  # by address and variable of the key
        self._limiters: dict[str, Limiter] = {}  # by address
        self._servers: dict[str, LlamaServer] = {}
        self._served: dict[str, str] = {}
        self._stream, self._limits, self._llama = stream, dict(limits or {}), llama
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> "Backends":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def get(self, spec: str) -> Backend:
        """The backend that a spec names; the same object each time.

        Raises:
            ConfigError: The spec is unknown, a key is not set, or the server does not have the model.
            BackendUnavailable: The server cannot be reached or refuses the key.
        """
        async with self._turn:
            if spec not in self._ready:
                self._ready[spec] = await self._connect(spec)
            return self._ready[spec]

    def served(self, spec: str) -> str:
        """The model name that the server of a connected backend reported at connect; the spec if it has no server."""
        return self._served.get(spec, spec)

    async def aclose(self) -> None:
        """Close every connection and stop every server made here."""
        for endpoint, _ in self._endpoints.values():
            await endpoint.aclose()
        for server in self._servers.values():
            await server.aclose()
        self._endpoints.clear()
        self._servers.clear()
        self._ready.clear()

    async def _connect(self, spec: str) -> Backend:
        check_spec(spec)
        scheme, _, rest = spec.partition(":")
        if scheme == "simulated":
            from flowsteer.backends.simulated import SimulatedBackend

            return SimulatedBackend.from_spec(spec)
        if scheme == "recorded" and rest:
            return await self._recorded(rest)
        return await self._model(spec, scheme, rest)

    async def _model(self, spec: str, scheme: str, rest: str) -> OpenAIBackend:
        if scheme in ("http", "https"):
            base_url, model = _split_url(spec)
            preset = replace(SERVER, base_url=base_url)
            key = _key(preset)
        elif scheme == "llamacpp" and rest:
            named, options = LlamaOptions.read(rest)
            server = await self._server(rest, named, options)
            model = name_of(named)
            preset = replace(PRESETS[scheme], base_url=server.base_url, concurrency=options.slots)
            key = server.key
        elif scheme in PRESETS and rest:
            model, preset = rest, PRESETS[scheme]
            key = _key(preset)
        else:
            raise _unknown(spec)
        endpoint, catalogue = await self._endpoint(scheme.removesuffix("s") if "#" in spec else scheme, preset, key)
        served = self._served[spec] = _served(model, catalogue, endpoint.preset)
        context = catalogue.contexts.get(served, 0)
        return OpenAIBackend(spec, endpoint, model, served=served, stream=self._stream, context=context)

    async def _recorded(self, named: str) -> Backend:
        """The replies of a run: `FILE`, `FILE#SPEC`, or `FILE#SPEC?live`.

        Who is asked stands in the spec and is not read out of the file, which may come from anybody: the model is sent
        every question that the file does not answer, and the key.
        """
        bare = named.removesuffix("?live")
        file, _, of = bare.partition("#")
        model = packed_model(Path(file), of, live=bare != named)
        live = None
        if bare != named:
            live = await self._connect(model.spec)
            if (served := self.served(model.spec)) != model.served:
                raise ConfigError(
                    f"{file} has replies of {model.served}, and {model.spec} is {served} now", "replay without ?live"
                )
        return PackedBackend(Path(file), of, live)

    async def _server(self, named: str, model: str, options: LlamaOptions) -> LlamaServer | LlamaAddress:
        if self._llama is not None:
            return await self._llama(named)
        if named not in self._servers:
            self._servers[named] = await LlamaServer.start(model, options)
        return self._servers[named]

    async def _endpoint(self, name: str, preset: Preset, key: str) -> tuple[Endpoint, Catalogue]:
        place = preset.base_url, preset.key_env
        if place not in self._endpoints:
            limits = self._limits.get(name, Limits(concurrency=preset.concurrency))
            endpoint = Endpoint(preset, key, self._limiters.setdefault(preset.base_url, Limiter(limits)))
            try:
                catalogue = Catalogue() if preset.listing == "none" else await endpoint.catalogue()
            except BaseException:  # a cancellation, too, leaves no connection open
                await endpoint.aclose()
                raise
            self._endpoints[place] = endpoint, catalogue
        return self._endpoints[place]


def check_spec(spec: str) -> None:
    """Refuse a spec that names no kind of backend, or holds a key; nothing is connected, and no key is asked for.

    Raises:
        ConfigError: It does.
    """
    refuse_unsound([spec], "the name of a backend")
    refuse_key(spec)
    scheme, _, rest = spec.partition(":")
    if scheme == "simulated":
        from flowsteer.backends.simulated import SimulatedBackend

        SimulatedBackend.from_spec(spec)
    elif scheme in ("http", "https"):
        _split_url(spec)
    elif not rest or scheme not in ("recorded", *PRESETS):
        raise _unknown(spec)
    elif scheme == "llamacpp":
        LlamaOptions.read(rest)


def _split_url(spec: str) -> tuple[str, str]:
    try:
        url = urlsplit(spec)
        host = (url.hostname or "").encode("idna")
        fits = bool(host and url.fragment) and url.port != 0
    except ValueError:  # brackets without an address, a port that is none, a name that no host can have
        fits = False
    if not fits:
        raise ConfigError(f"{spec!r} names no server and model.", "Write http://HOST:PORT/v1#MODEL.")
    return spec.partition("#")[0].rstrip("/"), url.fragment


def _key(preset: Preset) -> str:
    key = os.environ.get(preset.key_env, "").strip()
    if preset.key_required and not key:
        raise ConfigError(f"{preset.name} wants a key, and {preset.key_env} is not set.", f"export {preset.key_env}=…")
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(f"The key in {preset.key_env} has characters that no key has.", f"export {preset.key_env}=…")
    return key


def _served(model: str, catalogue: Catalogue, preset: Preset) -> str:
    """The server's own name of a model.

    A llama.cpp server serves one model under any name, so what it lists is recorded instead of what was asked.
    """
    if preset.name == "llamacpp":
        return catalogue.names[0] if catalogue.names else model
    names = {name.removeprefix("models/").removesuffix(":latest"): name for name in catalogue.names}
    wanted = model.removeprefix("models/").removesuffix(":latest")
    if wanted in names:
        return names[wanted]
    if catalogue.names and preset.listing == "complete":
        close = difflib.get_close_matches(wanted, names, n=_SHOWN, cutoff=0.0)
        raise ConfigError(
            f"{preset.base_url} has no model {model!r}; closest of its {len(catalogue.names)}: {', '.join(close)}.",
            "Use one of the server's names.",
        )
    return model


def _unknown(spec: str) -> ConfigError:
    return ConfigError(
        f"{spec!r} names no backend; expected {_FORMS}.{question(likely_spec(spec))}",
        f"Presets: {', '.join(sorted(PRESETS))}.",
    )
