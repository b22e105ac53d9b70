"""What `flowsteer calibrate` shows: what each operator does, and what the profile predicts."""

from rich.table import Table

from flowsteer.calibration.calibration import Calibration
from flowsteer.calibration.fitting import TYPES
from flowsteer.calibration.rates import Rate

_COLUMNS = {
    "skill": "right",
    "planned": "right after a plan",
    "power": "faults found",
    "false_alarm": "false alarms",
    "mending": "mended",
    "harm": "spoilt",
    "spoilt": "form put right",
}
"""Tables of a profile, as a reader would ask for them."""


def operator_table(calibration: Calibration) -> Table:
    """What was counted of each operator on each type, with tokens and seconds of a step."""
    found = calibration.fit
    table = Table(
        "operator", "type", *_COLUMNS.values(), "tokens", "seconds", title=f"operators with {calibration.executor}"
    )
    for name in found.seconds:
        for kind in TYPES:
            if kind not in found.seconds[name]:
                continue
            cells = [_cell(found.rates[table_name].get(name, {}).get(kind)) for table_name in _COLUMNS]
            tokens = found.profile.tokens.get(name, {}).get(kind, 0.0)
            table.add_row(name, kind, *cells, f"{tokens:.0f}", f"{found.seconds[name][kind]:.1f}")
    return table


def prediction_table(calibration: Calibration) -> Table:
    """Accuracy of every designed workflow, measured with its 90 % interval, and predicted."""
    table = Table("workflow", "type", "measured", "90 %", "predicted", "missed by", title="predictions")
    for one in sorted(calibration.predictions, key=lambda one: (one.fitted, one.type, one.workflow)):
        low, high = one.measured.interval()
        table.add_row(
            one.workflow + ("" if one.fitted else "  (held out)"),
            one.type,
            f"{one.measured.hits:.0f}/{one.measured.count}",
            f"{low:.2f}–{high:.2f}",
            f"{one.predicted:.2f}",
            f"{one.missed:+.2f}",
        )
    return table


def _cell(rate: Rate | None) -> str:
    return f"{rate.hits:.0f}/{rate.count}" if rate is not None else ""
