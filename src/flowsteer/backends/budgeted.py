"""A backend whose calls are paid from a budget."""

import asyncio
from dataclasses import replace

from flowsteer.backends.base import Backend, Features, Reply, Request, payee
from flowsteer.backends.bill import Bill, billed
from flowsteer.backends.budget import Budget
from flowsteer.backends.packed import PackedBackend
from flowsteer.backends.prices import Price, price
from flowsteer.errors import ConfigError
from flowsteer.usage import NO_USAGE, Usage

CHARACTERS_PER_TOKEN = 2
"""Set aside a token for every so many characters of a prompt; text has rarely fewer."""


class BudgetedBackend:
    """A backend whose calls are paid from a budget.

    Args:
        inner: The backend.
        budget: Who pays.
        stated: The price that a user states for it; the list's without it.

    Raises:
        ConfigError: A cap on money was asked for, and the price of the model is unknown.
    """

    def __init__(self, inner: Backend, budget: Budget, stated: Price | None = None) -> None:
        self._inner = inner
        self._budget = budget
        self._stated = stated
        if budget.caps.cost is not None and self._price(NO_USAGE) is None:
            raise ConfigError(
                f"the price of {self.payee} is unknown, so a budget in dollars cannot be kept",
                "cap calls or tokens instead: --max-calls N or --max-tokens N",
            )

    @property
    def spec(self) -> str:
        """The inner backend's spec."""
        return self._inner.spec

    @property
    def payee(self) -> str:
        """See `payee`."""
        return payee(self._inner)

    @property
    def features(self) -> Features:
        """The inner backend's features."""
        return self._inner.features

    async def complete(self, request: Request) -> Reply:
        """Answer one request if the budget allows it.

        The reply says what is known of its cost; the budget counts what is not known as what was set aside for it, and
        so does each request that was sent and got no answer. A reply that was kept costs nothing now.

        Raises:
            BudgetExceeded: It may cost more than is left.
        """
        if isinstance(self._inner, PackedBackend) and (kept := self._inner.kept(request)) is not None:
            self._budget.check()
            return replace(self._priced(kept), cached=True)
        characters = sum(len(message.content) for message in request.messages)
        most = Usage(1, characters // CHARACTERS_PER_TOKEN + 16, request.sampling.max_tokens)
        most = replace(most, cost=self._price(most))
        bill, paid = Bill(self._budget, most), NO_USAGE
        try:
            async with asyncio.timeout(self._budget.seconds_left()) as limit:
                with billed(bill):
                    reply = self._priced(await self._inner.complete(request))
            paid = NO_USAGE if reply.cached else reply.usage
        except TimeoutError:
            if limit.expired():
                self._budget.check()
            raise
        finally:
            bill.close(paid)
        return reply

    def _price(self, usage: Usage) -> float | None:
        return price(self.payee, usage) if self._stated is None else self._stated.of(usage)

    def _priced(self, reply: Reply) -> Reply:
        """The reply at the price that was stated."""
        if self._stated is None:
            return reply
        cost = self._stated.of(reply.usage) if reply.usage.counted else None
        return replace(reply, usage=replace(reply.usage, cost=cost))

    async def aclose(self) -> None:
        """Close the inner backend."""
        await self._inner.aclose()
