"""How figures are written, in the terminal, in Markdown and in HTML alike."""

from flowsteer.reporting.statistics import Estimate

UNKNOWN = "unknown"
NONE = "–"


def score(value: Estimate | None) -> str:
    """A score in percent with its interval.

    >>> score(Estimate(0.5, 0.25, 0.75, 8))
    '50.0 [25.0, 75.0]'
    """
    if value is None:
        return NONE
    return f"{percent(value.mean)} {interval(value)}".rstrip()


def percent(share: float | None) -> str:
    """A share in percent, without the % sign."""
    return NONE if share is None else f"{share * 100:.1f}"


def interval(value: Estimate) -> str:
    """The interval in percent; empty if there is none."""
    if value.low is None or value.high is None:
        return ""
    return f"[{percent(value.low)}, {percent(value.high)}]".replace("-", "−")


def difference(value: Estimate) -> str:
    """A difference in percentage points, always with its sign.

    >>> difference(Estimate(-0.125, None, None, 8))
    '−12.5'
    """
    return f"{value.mean * 100:+.1f}".replace("-", "−")


def chance(p: float) -> str:
    """A p-value.

    >>> chance(0.03127), chance(0.00001)
    ('0.031', '<0.001')
    """
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def amount(number: float | None) -> str:
    """A count or a mean of counts.

    >>> amount(3.14159), amount(12345.6)
    ('3.1', '12,346')
    """
    if number is None:
        return NONE
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:.1f}"


def money(dollars: float | None) -> str:
    """US dollars; an unknown price is not free.

    >>> money(None), money(0.0), money(0.00123)
    ('unknown', '$0', '$0.00123')
    """
    if dollars is None:
        return UNKNOWN
    return f"${dollars:,.2f}" if dollars >= 1 else f"${dollars:.3g}"


def seconds(time: float | None) -> str:
    """A duration.

    >>> seconds(0.0123), seconds(75.0)
    ('12 ms', '75.0 s')
    """
    if time is None:
        return NONE
    return f"{time * 1000:.0f} ms" if time < 1 else f"{time:,.1f} s"
