"""The cold start: a supervised warm-up, so that a small policy speaks the action language before RL begins.

Scripts (see `flowsteer.training.sft.scripts`) are played on live canvases; the policy learns to say what they say after
what the canvas says, with the loss on its own turns only.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from flowsteer.canvas.episode import run_episode
from flowsteer.canvas.feedback import Heard, Told, limited
from flowsteer.datasets.base import Sample
from flowsteer.environments.arena import Arena
from flowsteer.errors import ConfigError
from flowsteer.execution.memo import Memo
from flowsteer.runs.events import (
    EditRejected,
    EpisodeEnded,
    EpisodeStarted,
    FeedbackGiven,
    TurnTaken,
    ignore,
)
from flowsteer.runs.folder import RunFolder
from flowsteer.session import seed_of
from flowsteer.training.data import Schedule
from flowsteer.training.inference.trajectory import Trajectory
from flowsteer.training.policy.own_logits import logits_at
from flowsteer.training.policy.policy import Policy
from flowsteer.training.policy.view import END, View
from flowsteer.training.sft.recall import Recall
from flowsteer.training.sft.scripts import Script
from flowsteer.training.sft.settings import DEFAULT, ScriptSettings, WarmupSettings

AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One played script as text: what was read and said in turn.

    Attributes:
        opening: What stands before the first turn.
        turns: What the script said, and what the canvas answered; the last answer is empty.
    """

    opening: str
    turns: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """All of it, for a tokenizer to be trained on."""
        return self.opening + "".join(f"{said}{END}{answer}" for said, answer in self.turns)


async def play_scripts(
    arena: Arena, view: View, tasks: Schedule, count: int, seed: int, settings: ScriptSettings = DEFAULT
) -> list[Dialogue]:
    """Play scripts on canvases of the tasks in order; the same ones for the same seed.

    Args:
        arena: Where.
        view: What the policy will read.
        tasks: The tasks.
        count: Scripts.
        seed: Seed of all draws.
        settings: How scripts are drawn.

    Raises:
        BackendUnavailable: The executor is gone.
    """
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Dialogue:
        async with places:
            drawn = seed_of(seed, f"script/{number}")
            script = Script.draw(drawn, arena.canvas.max_turns, settings)
            return await _play(arena, view, tasks[number], script, drawn)

    return list(await asyncio.gather(*(one(number) for number in range(count))))


async def _play(arena: Arena, view: View, sample: Sample, script: Script, seed: int) -> Dialogue:
    canvas = arena.open(sample, ignore, seed, Memo())
    opening = view.opening(canvas.observe())
    await run_episode(canvas, script)
    history = canvas.observe().history
    answers = [*(view.answer(turn.feedback, sample.task) for turn in history[:-1]), ""]
    return Dialogue(opening, tuple((turn.text, answer) for turn, answer in zip(history, answers, strict=True)))


def read_recorded(run: Path, arena: Arena, view: View, samples: Iterable[Sample]) -> list[Dialogue]:
    """Dialogues out of a run that was recorded by any Director, such as a strong LLM.

    Only episodes on training tasks are taken, and of these only those in which the Director finished and every turn
    was accepted: a policy copies all that it is shown.

    Args:
        run: The run folder.
        arena: Whose canvases the policy will play on; they make the opening.
        view: What the policy reads.
        samples: Training tasks.

    Raises:
        RunError: It is no run folder.
        ConfigError: It holds no such episode.
    """
    record, by_id, found = RunFolder.read(run), {(s.task.dataset, s.task.id): s for s in samples}, []
    for episode, entry in record.entries.items():
        events = record.events(episode)
        started = next(event for event in events if isinstance(event, EpisodeStarted))
        named = started.task.dataset, entry.summary.dataset  # by its row; by the run, as evaluations name theirs
        sample = next((by_id[of, started.task.id] for of in named if (of, started.task.id) in by_id), None)
        ended = next(event for event in events if isinstance(event, EpisodeEnded))
        if sample is None or not ended.finished or any(isinstance(event, EditRejected) for event in events):
            continue
        said = [event.text for event in events if isinstance(event, TurnTaken)]
        heard = (_heard(event, arena.canvas.feedback) for event in events if isinstance(event, FeedbackGiven))
        told = [view.answer(one, sample.task) for one in heard]
        opening = view.opening(arena.open(sample, ignore, 0, Memo()).observe())
        found.append(Dialogue(opening, tuple(zip(said, [*told[:-1], ""], strict=True))))
    if not found:
        raise ConfigError(
            f"{run} holds no episode to learn from",
            "it must have finished episodes without a rejected turn, on tasks that are trained on",
        )
    return found


def _heard(event: FeedbackGiven, told: Told) -> Heard:
    """What a policy that is told this much hears of a recorded answer, which old runs have in words alone."""
    if event.feedback is not None:
        return limited(event.feedback, told)
    return event.text if event.text and told != "none" else None


def to_trajectory(dialogue: Dialogue, policy: Policy) -> Trajectory:
    """A dialogue as tokens: the script's turns, each with its end, as if they had been sampled."""
    trajectory = Trajectory(tuple(policy.encode(dialogue.opening)))
    for said, answer in dialogue.turns:
        for token in (*policy.encode(said), policy.end):
            trajectory.sampled(token, 0.0)
        trajectory.said(policy.encode(answer))
    return trajectory


def learn(
    policy: Policy,
    trajectories: Sequence[Trajectory],
    settings: WarmupSettings,
    seed: int = 0,
    on_update: Callable[[int, int, float], None] = lambda update, updates, loss: None,
) -> float:
    """Train the policy on what scripts said.

    Args:
        policy: Its model is changed in place.
        trajectories: Played scripts.
        settings: How.
        seed: Seed of the order.
        on_update: Told of each update: its number, how many there will be, its loss.

    Returns:
        The mean loss over the last tenth of the updates, in nats a token.
    """
    model = policy.model
    batches = list(_batches(trajectories, settings, seed))
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.peak, betas=(0.9, 0.95), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda done: _rate(done, len(batches)))
    recall = Recall.of(policy, settings.recall) if settings.recall else None
    losses = []
    model.train()
    for number, batch in enumerate(batches, 1):
        loss = _loss(policy, batch, recall)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
        on_update(number, len(batches), losses[-1])
    last = losses[-max(1, len(losses) // 10) :]
    return sum(last) / len(last)


def _batches(trajectories: Sequence[Trajectory], settings: WarmupSettings, seed: int) -> list[list[Trajectory]]:
    """Batches of like lengths, so that little is padded, in random order."""
    order = torch.Generator().manual_seed(seed)
    batches = []
    for _ in range(settings.epochs):
        shuffled = [trajectories[place] for place in torch.randperm(len(trajectories), generator=order).tolist()]
        by_length = sorted(shuffled, key=len)
        cut = [by_length[first : first + settings.batch] for first in range(0, len(by_length), settings.batch)]
        batches += [cut[place] for place in torch.randperm(len(cut), generator=order).tolist()]
    return batches


def _rate(done: int, updates: int) -> float:
    rise = max(1, updates // 20)
    if done < rise:
        return (done + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (done - rise) / max(1, updates - rise)))


def _loss(policy: Policy, batch: Sequence[Trajectory], recall: Recall | None) -> torch.Tensor:
    """Mean cross-entropy over the policy's own tokens, and that of the second task if there is one."""
    device, longest = policy.model.device, max(map(len, batch))
    ids = torch.full((len(batch), longest), int(policy.tokenizer.pad_token_id or 0))
    own = torch.zeros(len(batch), longest, dtype=torch.bool)
    for row, trajectory in enumerate(batch):
        ids[row, : len(trajectory)] = torch.tensor([*trajectory.prompt, *trajectory.ids])
        own[row, len(trajectory.prompt) : len(trajectory)] = torch.tensor(trajectory.mask, dtype=torch.bool)
    ids, own = ids.to(device), own.to(device)
    before = torch.nn.functional.pad(own[:, 1:], (0, 1))
    logits, states = logits_at(policy.model, policy.model.get_output_embeddings(), ids, before)
    loss = torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:][own[:, 1:]])
    return loss if recall is None else loss + recall.loss(states, own[:, 1:].nonzero()[:, 0], batch)
