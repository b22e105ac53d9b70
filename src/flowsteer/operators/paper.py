"""The paper's library: twelve operators in six categories (spec §4)."""

from flowsteer.operators.ensemble import aggregate, sc_ensemble
from flowsteer.operators.formatting import format_answer
from flowsteer.operators.planning import decompose, plan
from flowsteer.operators.registry import Library
from flowsteer.operators.revision import revise
from flowsteer.operators.solving import answer_generate, custom, programmer
from flowsteer.operators.verification import review, test, verify

LIBRARY = Library.of(
    "paper",
    (
        plan,
        decompose,
        programmer,
        custom,
        answer_generate,
        test,
        review,
        verify,
        revise,
        sc_ensemble,
        aggregate,
        format_answer,
    ),
)
"""What the entry point `paper` loads."""
