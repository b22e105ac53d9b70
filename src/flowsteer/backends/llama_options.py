"""How the embedded server runs a model, as it is written behind the model's name: `NAME?threads=2&slots=4`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Self

from flowsteer.errors import ConfigError

PROCESSORS = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    """How the embedded server runs a model.

    Attributes:
        threads: Processors it uses; all, unless told otherwise.
        slots: Requests it decodes at once.
        context: Tokens of each slot, prompt and reply together.
    """

    threads: int = PROCESSORS
    slots: int = 2
    context: int = 4096

    @classmethod
    def read(cls, named: str) -> tuple[str, Self]:
        """Cut what stands behind `llamacpp:` into the model and its options.

        Args:
            named: A known model's name or the path of a GGUF file, and options behind a question mark, if any.

        Raises:
            ConfigError: An option is unknown, given twice, or no whole number above 0.

        >>> LlamaOptions.read("smollm2?threads=2&slots=4") == ("smollm2", LlamaOptions(threads=2, slots=4))
        True
        """
        model, mark, text = named.partition("?")
        if not mark:
            return model, cls()
        known, given = [field.name for field in fields(cls)], dict[str, int]()
        for part in text.split("&"):
            name, _, value = part.partition("=")
            if name not in known:
                close = get_close_matches(name, known, 1)
                hint = f"did you mean {close[0]}?" if close else f"options: {', '.join(known)}"
                raise ConfigError(f"llamacpp:{model} has no option {name!r}", hint)
            if name in given:
                raise ConfigError(f"llamacpp:{named} gives {name} twice", f"write it once, such as ?{name}={value}")
            if not (value.isascii() and value.isdigit() and int(value)):
                raise ConfigError(f"{name} must be a whole number above 0, not {value!r}", f"such as ?{name}=2")
            given[name] = int(value)
        return model, replace(cls(), **_checked(given))

    def arguments(self) -> list[str]:
        """The same as arguments of `python -m flowsteer.backends.llamacpp`."""
        return [word for field in fields(self) for word in (f"--{field.name}", str(getattr(self, field.name)))]


def _checked(given: Mapping[str, int]) -> Mapping[str, int]:
    """More threads than processors only wait for each other."""
    if given.get("threads", 1) > PROCESSORS:
        raise ConfigError(
            f"threads={given['threads']}, and there are {PROCESSORS} processors", f"?threads={PROCESSORS} at most"
        )
    return given
