"""What one request may spend: a budget of its own, beside that of the server."""

from dataclasses import replace

from flowsteer.backends.base import Backend
from flowsteer.backends.budget import Budget, Caps
from flowsteer.backends.budgeted import BudgetedBackend
from flowsteer.backends.prices import Price
from flowsteer.canvas.director import Director
from flowsteer.director.chat import ChatDirector
from flowsteer.director.spec_options import cut_options
from flowsteer.errors import BudgetExceeded, ConfigError
from flowsteer.serving.refusals import RequestRefused
from flowsteer.session import Session
from flowsteer.usage import Usage

UNLIMITED = Caps()


class OwnBudget(Budget):
    """The budget of a request; its client is told what to raise there."""

    def reserve(self, most: Usage) -> None:
        """See `Budget.reserve`."""
        try:
            super().reserve(most)
        except BudgetExceeded as error:
            raise BudgetExceeded(error.message, "raise budget.calls, tokens or cost, or leave it out") from None


def within(session: Session, caps: Caps) -> Session:
    """The session for one request: every call, of operators and of a Director, is paid from its budget as well.

    Args:
        session: What all requests share.
        caps: What this one may cost. Its seconds are kept elsewhere, since they count the time it waits for a place.

    Raises:
        RequestRefused: It may cost so many dollars, and the price of a backend is not known.
    """
    caps = replace(caps, seconds=None)
    if caps == UNLIMITED:
        return session
    budget, prices = OwnBudget(caps), session.setup.prices

    def paid(backend: Backend, spec: str) -> Backend:
        try:
            return BudgetedBackend(backend, budget, Price(*prices[spec]) if spec in prices else None)
        except ConfigError as error:
            hint = "limit budget.calls or budget.tokens instead"
            raise RequestRefused(400, "unknown_price", error.message, hint, param="budget.cost") from None

    async def connect(spec: str) -> Director:
        director = await session.connect_director(spec)
        if isinstance(director, ChatDirector):  # no other asks an LLM
            director = replace(director, backend=paid(director.backend, cut_options(spec)[0]))
        return director

    return replace(
        session,
        executor_backend=paid(session.executor_backend, session.setup.executor),
        roster={name: paid(backend, session.setup.roster[name]) for name, backend in session.roster.items()},
        connect_director=connect,
    )
