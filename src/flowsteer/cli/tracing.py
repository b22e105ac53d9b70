"""`--trace`: what happens in a run is sent to an OpenTelemetry collector while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from flowsteer.errors import ConfigError

if TYPE_CHECKING:
    from flowsteer.runs.folder import Listener


@contextmanager
def traced(run: Path, wanted: bool, listener: "Listener") -> "Iterator[Listener]":
    """Send the events of a run as spans, if that is wanted.

    Args:
        run: The run folder; it may be made later.
        wanted: Whether to send them.
        listener: What else hears every event.

    Yields:
        What must hear every event.

    Raises:
        ConfigError: The extra is not installed.
    """
    if not wanted:
        yield listener
        return
    if not all(map(_is_there, ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"))):
        raise ConfigError("--trace needs OpenTelemetry", "pip install 'flowsteer[trace]'")
    from flowsteer.adapters.opentelemetry import sent_spans

    with sent_spans(run) as send:

        def hear(episode: str, line: str) -> None:
            listener(episode, line)
            send(episode, line)

        yield hear


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False
