"""What is known of the weights that come along: how they were made, what they can, and the hash that names them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from flowsteer.canvas.canvas import Settings
from flowsteer.errors import ConfigError
from flowsteer.settings import check

CARD, WEIGHTS = "card.json", "model.safetensors"
PACKED = (WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json")
"""What a Director is read from, besides its card."""

SHOWN = 12
"""So many digits of a hash name the weights."""

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The card of packed weights.

    Attributes:
        sha256: Digest of each file, by name.
        world: Spec of the executor it was trained on; a simulated one's has the hash of its table.
        datasets: The tasks it was trained on.
        seed: Seed of the training.
        step: Updates that the weights have behind them.
        canvas: What an episode allowed there, and what the Director was told.
        turn_tokens: Most tokens of a turn.
        episode_tokens: Most tokens of an episode.
        last_temperature: At which it drew for the last update.
        versions: What made it.
        figures: Of the greedy policy on held-out tasks: before training, after, and by type.
    """

    sha256: Mapping[str, str]
    world: str
    datasets: tuple[str, ...]
    seed: int
    step: int | None
    canvas: Settings
    turn_tokens: int
    episode_tokens: int
    last_temperature: float
    versions: Mapping[str, str]
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the weights are called: the first digits of their hash."""
        return self.sha256[WEIGHTS][:SHOWN]


@cache
def packed_card() -> Card:
    """The card of the weights in this package.

    Raises:
        ConfigError: It cannot be read.
    """
    return check(Card, json.loads((packed() / CARD).read_text(encoding="utf-8")), CARD)


def packed() -> Traversable:
    """Where the weights lie in this package."""
    return files("flowsteer.pretrained") / "weights"


def packed_file(name: str) -> bytes:
    """A file of the weights in this package, which is the one that the card speaks of.

    Args:
        name: One of `PACKED`.

    Raises:
        ConfigError: It is another.
    """
    content = (packed() / name).read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != packed_card().sha256[name]:
        raise ConfigError(
            f"the pretrained Director's {name} has hash {found[:SHOWN]}, and its card says "
            f"{packed_card().sha256[name][:SHOWN]}",
            "install the package again: pip install --force-reinstall flowsteer",
        )
    return content
