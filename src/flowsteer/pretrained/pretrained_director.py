"""`pretrained`: the Director that comes along with the package, in milliseconds and without a tensor library.

It says only what the grammar of the legal actions admits, as in its training, and it finishes every episode whose turns
allow it: a turn of its own that would leave too few turns for what a finish still needs, or that the canvas would
reject, is not taken. The next edit on the shortest way to a finish is taken instead, and the turn says so.
"""

import json
import random
from dataclasses import dataclass, replace
from functools import cache
from time import perf_counter
from typing import NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from flowsteer.canvas.canvas import Settings
from flowsteer.canvas.director import Observation, Turn
from flowsteer.director.grammar import action_grammar
from flowsteer.director.parse import parse_action
from flowsteer.director.render import render_action
from flowsteer.director.spec_options import NO_OPTIONS, PRETRAINED, DirectorOptions
from flowsteer.director.way_to_finish import way_to_finish
from flowsteer.errors import ConfigError, NoTurn
from flowsteer.pretrained.byte_pairs import BytePairs
from flowsteer.pretrained.llama import Array, Llama, Reading, tensors_of
from flowsteer.pretrained.weights_card import WEIGHTS, Card, packed_card, packed_file
from flowsteer.training.inference.grammar_masks import GrammarMasks, vocabulary_of
from flowsteer.training.policy.view import END, CompactView, compact_view
from flowsteer.usage import Usage
from flowsteer.workflow.apply import Applied, apply
from flowsteer.workflow.edits import Action, Finish
from flowsteer.workflow.nodes import CATEGORIES, Workflow, steps
from flowsteer.workflow.rules import Rules

FORCED = "not the policy's own choice: it leads to a finish within the turns that are left"
"""What is told, in the place of a Director's thinking, of a turn that the policy had no choice in."""


class PackedPolicy(NamedTuple):
    """What the package holds, read once.

    Attributes:
        card: What is known of it.
        model: The weights.
        tokens: The tokenizer.
        masks: What holds a turn to a grammar.
        view: What it reads of an episode.
        threads: The matrix library's, of which one is used: to wait for a second takes longer than what it would do.
    """

    card: Card
    model: Llama
    tokens: BytePairs
    masks: GrammarMasks
    view: CompactView
    threads: ThreadpoolController


@cache
def packed_policy() -> PackedPolicy:
    """The policy in this package.

    Raises:
        ConfigError: It is not the one its card speaks of.
    """
    config, tokens = json.loads(packed_file("config.json")), BytePairs(json.loads(packed_file("tokenizer.json")))
    view = compact_view(config.get("flowsteer_view", ""))
    if view is None:
        raise ConfigError("the pretrained Director was not trained as a tiny policy", "pack a policy made by `tiny`")
    model, marks = Llama.of(config, tensors_of(packed_file(WEIGHTS))), (config["eos_token_id"], config["pad_token_id"])
    vocabulary = vocabulary_of(tokens.tokens, marks[0], marks, tokens.encode)
    return PackedPolicy(packed_card(), model, tokens, GrammarMasks(vocabulary), view, ThreadpoolController())


@dataclass(frozen=True, slots=True)
class PretrainedDirector:
    """Directs with the weights in this package.

    Attributes:
        packed: They.
        temperature: At which it draws; 0 for the most probable token.
    """

    packed: PackedPolicy
    temperature: float = 0.0

    @property
    def spec(self) -> str:
        """Its name, with the hash of its weights."""
        return f"{PRETRAINED}#{self.packed.card.name}"

    @property
    def canvas(self) -> Settings:
        """What an episode allowed in its training."""
        return self.packed.card.canvas

    async def act(self, observation: Observation) -> Turn:
        """Choose the next action.

        Raises:
            ConfigError: The canvas asks for instructions, which it never learned to write.
            NoTurn: What it said cannot be done, and no way to a finish was found.
        """
        if observation.rules.two_step:
            raise ConfigError("the pretrained Director writes no instructions of its own", "leave --two-step out")
        started = perf_counter()
        with self.packed.threads.limit(limits=1):
            text, usage = self._said(observation)
        action = _fitting(text, observation)
        forced = action is None
        if action is None:
            action = _next_on_the_way(observation)
            text = render_action(action)
        seconds = perf_counter() - started
        return Turn(text, action, FORCED if forced else "", usage=usage, seconds=seconds)

    def _said(self, observation: Observation) -> tuple[str, Usage]:
        """What the policy says, and what that cost; nothing where the episode is as long as one may be."""
        policy, card = self.packed, self.packed.card
        history = ((turn.text, turn.feedback) for turn in observation.history)
        told = (f"{text}{END}{policy.view.answer(feedback, observation.task)}" for text, feedback in history)
        ids = policy.tokens.encode(policy.view.opening(observation) + "".join(told))
        reading, mask = Reading(policy.model), policy.masks.turn(action_grammar(observation))
        rng, said = random.Random(observation.seed + observation.turn), list[int]()  # noqa: S311
        room, new, end = min(card.turn_tokens, card.episode_tokens - len(ids)), ids, policy.tokens.id(END)
        while len(said) < room and end not in said:
            token = _drawn(reading.read(new), mask.allowed(), self.temperature, rng)
            mask.take(token)
            said.append(token)
            new = [token]
        usage = Usage(calls=1, prompt_tokens=len(ids), completion_tokens=len(said)) if said else Usage()
        return policy.tokens.decode(said[:-1]) if end in said else "", usage


def load(named: str, options: DirectorOptions = NO_OPTIONS) -> PretrainedDirector:
    """The Director in this package.

    Args:
        named: `pretrained`, or that with the hash of its weights behind a `#`.
        options: How it draws; greedily by default, and as at the end of its training where votes are asked for.

    Raises:
        ConfigError: These are other weights, or a layout is asked for.
    """
    if options.layout is not None:
        raise ConfigError("the pretrained Director is a tiny policy, which reads no chat", "leave the layout out")
    policy, hash_ = packed_policy(), named.partition("#")[2]
    if hash_ and hash_ != policy.card.name:
        raise ConfigError(
            f"{named} names weights with hash {hash_}, and those of this version have {policy.card.name}",
            f"leave the hash out: {PRETRAINED}",
        )
    temperature = options.temperature
    if temperature is None:
        temperature = policy.card.last_temperature if options.votes > 1 else 0.0
    return PretrainedDirector(policy, temperature)


def _drawn(logits: Array, allowed: bytes, temperature: float, rng: random.Random) -> int:
    """The next token, of those that are allowed: the most probable one at temperature 0."""
    bits = np.unpackbits(np.frombuffer(allowed, np.uint8), bitorder="little")[: len(logits)]
    held = np.where(bits == 1, logits.astype(np.float64), -np.inf)
    if not temperature:
        return int(np.argmax(held))
    weights = np.exp((held - held.max()) / temperature).cumsum()
    return int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))


def _fitting(text: str, observation: Observation) -> Action | None:
    """The action that was said, if the canvas accepts it and a finish can still be reached behind it; None if not."""
    if not text:
        return None
    action = parse_action(text)
    if isinstance(action, Finish):
        return action
    left, outcome = observation.max_turns - observation.turn, apply(observation.workflow, action, observation.rules)
    if not isinstance(outcome, Applied):
        return None
    if _turns_needed(observation.workflow, observation) > left + 1:  # it cannot be reached at all
        return action
    return action if _turns_needed(outcome.workflow, observation) <= left else None


def _next_on_the_way(observation: Observation) -> Action:
    """The first edit on the way to a finish, or the finish.

    Raises:
        NoTurn: No way was found.
    """
    way = way_to_finish(observation.workflow, _rules(observation))
    if way is None:
        raise NoTurn("the Director found no way to a finish", "raise max_steps, or ask for less with --finish any")
    return way[0] if way else Finish()


def _turns_needed(workflow: Workflow, observation: Observation) -> float:
    """Turns that a finish takes from here, itself included.

    A long answer, which nobody foresees, needs a formatting operator: where there is none yet, a turn is kept for it.
    """
    rules = _rules(observation)
    way = way_to_finish(workflow, rules)
    if way is None:
        return float("inf")
    formatting = rules.of("formatting")
    kept = observation.task.type != "code" and formatting and "formatting" not in rules.needs
    return len(way) + 1 + bool(kept and not any(step.operator in formatting for step in steps(workflow.nodes)))


def _rules(observation: Observation) -> Rules:
    """The rules, with what the canvas asks for beyond them now."""
    rules = observation.rules
    asked = {one.name for one in observation.unmet if one.kind == "category"}
    more = tuple(category for category in CATEGORIES if category in asked and category not in rules.needs)
    return replace(rules, needs=(*rules.needs, *more)) if more else rules
