"""One value in all its spellings: as LaTeX, code, Unicode and in the sentences that models put around it."""

from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowsteer.answers.spelling import plain
from flowsteer.grading.code_spelling import from_code
from flowsteer.grading.math import equivalent, grade_integer, grade_math
from flowsteer.grading.math_process import MathWorkers
from flowsteer.grading.relations import aligned

FULL_WIDTH = str.maketrans("0123456789,.-()", "０１２３４５６７８９，．－（）")
SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
NO_WORKERS = MathWorkers(workers=0)
"""Whoever needs a worker waits for ever: numbers must be decided without one."""

AROUND = [
    "{}",
    "{} ✅",
    "> **{}**",
    "_{}_",
    "1. Add both.\n2. Total: {}",
    "**{}**",
    "`{}`",
    "${}$",
    "$${}$$",
    "\\[ {} \\]",
    "```\n{}\n```",
    "= {}",
    "=> {}",
    "x = {}",
    "Total = 7 × 8 = {}",
    "area = {}",
    "n_{{max}} = {}",
    "\\boxed{{{}}}",
    "\\boxed {}",
    "\\fbox{{{}}}",
    "\\boxed{{\\boxed{{{}}}}}",
    "\\boxed{{x = {}}}",
    "<answer>{}</answer>",
    "<answer>\n{}",
    "<|begin_of_box|>{}<|end_of_box|>",
    "<think>x = 17</think>{}",
    "<think>x = 17</think>\n<answer>{}</answer>",
    "Final Answer: **{}**",
    "**Final Answer:** **{}**",
    "**Final Answer**\n$${}$$",
    "### Final Answer\n**{}**",
    "#### **{}**",
    "✅ Final Answer: **{}**",
    "The answer is: __{}__",
    "**The answer is {}.**",
    "The answer would be {}",
    "Final Answer: The final answer is ${}$. I hope it is correct.",
    "First add.\n\nThe answer is {}.\n\nLet me check: 2 + 2 = 4. Yes.",
    "Add both.\n\n{}\n\n---",
    "Add both.\n{}\n```",
    "The answer is {}, which is the sum.",
]


def spellings(value: Fraction) -> list[str]:
    """A fraction as people and programs write it."""
    top, bottom, sign = abs(value.numerator), value.denominator, "-" if value < 0 else ""
    if bottom == 1:
        return [
            f"{sign}{top}",
            f"{sign}{top:,}",
            f"{sign}{top}.0",
            f"{sign}{top}".translate(FULL_WIDTH),
            f"−{top}" if sign else f"+{top}",
        ]
    found = [
        f"{sign}{top}/{bottom}",
        f"{sign}\\frac{{{top}}}{{{bottom}}}",
        f"{sign}\\dfrac{{{top}}}{{{bottom}}}",
        f"{sign}{top}∕{bottom}",
    ]
    whole, rest = divmod(top, bottom)
    return [*found, f"{sign}{whole} {rest}/{bottom}", f"{sign}{whole}\\frac{{{rest}}}{{{bottom}}}"] if whole else found


rationals = st.fractions(min_value=-9999, max_value=9999, max_denominator=999)
law = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


@law
@given(rationals, st.data())
async def test_a_fraction_is_right_in_any_spelling_and_another_wrong(value, data):
    gold, answer = (data.draw(st.sampled_from(spellings(value))) for _ in range(2))
    other = data.draw(st.sampled_from(spellings(value + data.draw(rationals.filter(bool)))))
    assert await equivalent(gold, answer, NO_WORKERS)
    assert not await equivalent(gold, other, NO_WORKERS)


@law
@given(st.integers(0, 99999), st.sampled_from(AROUND))
async def test_an_integer_is_found_in_whatever_stands_around_it(number, around):
    assert (await grade_math(str(number), around.format(number), NO_WORKERS)).score == 1.0
    assert grade_integer(str(number), around.format(number)).score == 1.0
    assert grade_integer(str(number), around.format(number + 1)).score == 0.0


@law
@given(st.integers(1, 999), st.integers(-30, 30))
async def test_scientific_notation_in_any_spelling(digits, power):
    exact = str(Fraction(digits) * Fraction(10) ** power)
    raised = str(power).translate(SUPERSCRIPT)
    for spelled in (
        f"{digits}e{power}",
        f"{digits} \\times 10^{{{power}}}",
        f"{digits}*10**{power}",
        f"{digits} × 10{raised}",
    ):
        assert await equivalent(exact, spelled, NO_WORKERS)
        assert not await equivalent(exact, spelled.replace(str(digits), str(digits + 1), 1), NO_WORKERS)


@law
@given(st.integers(0, 99), st.text("0123456789", max_size=3), st.text("0123456789", min_size=1, max_size=6))
async def test_recurring_decimals_are_fractions(whole, lead, period):
    value = Fraction(int(f"{whole}{lead}{period}") - int(f"{whole}{lead}"), (10 ** len(period) - 1) * 10 ** len(lead))
    barred = "".join(f"{digit}\u0305" for digit in period)
    for end in (f"\\overline{{{period}}}", f"\\bar{{{period}}}", f"({period})", barred, period * 4 + "..."):
        if end.endswith("...") and len(set(period)) < len(period):
            continue  # Digits repeat within the period: where it begins is for the reader to guess.
        assert await equivalent(str(value), f"{whole}.{lead}{end}", NO_WORKERS), end


@law
@given(rationals.filter(lambda value: value.denominator > 1), st.integers(10, 15))
async def test_a_long_decimal_stands_for_the_fraction_it_was_rounded_from(value, digits):
    written = f"{value.numerator / value.denominator:.{digits}e}"
    if len(written.partition("e")[0].strip("-0").replace(".", "").strip("0")) >= 10:
        assert await equivalent(str(value), written, NO_WORKERS)
    assert not await equivalent(
        f"\\frac{{{value.numerator}}}{{{value.denominator}}}", f"{float(value) + 1e-3:.12f}", NO_WORKERS
    )


PAIRS = [
    ("7\\pi", "7*pi", "8*pi"),
    ("x^2+3x", "x**2+3*x", "x**2-3*x"),
    ("x^2+3x", "x²+3x", "x³+3x"),
    ("e^2", "exp(2)", "exp(3)"),
    ("3+4i", "3 + 4*I", "3 - 4*I"),
    ("\\infty", "oo", "-oo"),
    (
        "(-\\infty,1)\\cup(2,\\infty)",
        "Union(Interval.open(-oo, 1), Interval.open(2, oo))",
        "Union(Interval(-oo, 1), Interval(2, oo))",
    ),
    ("[0,1]", "Interval(0, 1)", "Interval.open(0, 1)"),
    ("\\{1,2\\}", "FiniteSet(1, 2)", "FiniteSet(1, 3)"),
    ("(-\\infty,1]", "(−∞, 1]", "(−∞, 1)"),
    ("\\frac{\\sqrt{3}}{2}", "√3/2", "√2/3"),
    ("2\\cos 20^\\circ", "2\\cos(20°)", "2\\cos(20)"),
    ("\\sqrt{2}", "1.4142135624", "1.41421356"),
    ("\\sqrt{2}", "1.4142135623", "1.4142135625"),
    ("\\frac{1}{2^{90}}", "2**(-90)", "2**(-91)"),
    ("\\frac{1}{1500!}", "1/1500!", "\\frac{1}{1502!}"),
    ("(\\frac{1}{2^{90}},1)", "(2^{-90}, 1)", "(2^{-91}, 1)"),
    ("\\sqrt{10^{30}+1}", "(10^{30}+1)^{1/2}", "10^{15}"),
    ("\\frac{x}{2^{90}}", "x*2**-90", "x*2**-91"),
    ("\\emptyset", "∅", "\\{0\\}"),
    ("\\{0,1\\}", "{1, 0}", "(0,1)"),
    ("1011_2", "1011₂", "1011_3"),
    ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "Matrix([[1, 2], [3, 4]])", "Matrix([[1, 2], [3, 5]])"),
    ("\\ln 2", "log(2)", "log(3)"),
    ("\\log 2", "log(2)", "ln(2)"),
    ("\\log_2 3", "log(3, 2)", "log(2, 3)"),
    ("12", "12 m²", "12²"),
    ("1000.99", "1,000.99€", "1,000.98€"),
    ("1,-2", "x_1 = 1, x_2 = -2", "x_1 = 1, x_2 = 2"),
    ("x^2+1", "$x^2+1$ for all real $x$", "$x^2-1$ for all real $x$"),
    ("1:30 \\text{ p.m.}", "1:30 pm", "2:30 p.m."),
]


async def test_expressions_in_other_spellings():
    workers = MathWorkers()
    right = {(gold, answer): (await grade_math(gold, answer, workers)).score for gold, answer, _ in PAIRS}
    wrong = {(gold, answer): (await grade_math(gold, answer, workers)).score for gold, _, answer in PAIRS}
    await workers.aclose()
    assert [pair for pair, score in right.items() if score != 1.0] == []
    assert [pair for pair, score in wrong.items() if score != 0.0] == []


@given(st.text(alphabet="0123456789.,*^+-/()[]{}\\ aeipqrtxyESIUnog_=²√½π°…", max_size=60))
def test_no_spelling_raises(text):
    aligned("5", plain(text))
    from_code(plain(text))
