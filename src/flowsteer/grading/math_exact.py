"""Exact comparison for math-verify, which by itself rounds to a number of places: 1/2^90 is not 1/2^91.

Two of its functions are replaced in the worker process. They decide about single values; how sets, tuples, matrices
and relations are made of those stays the library's. Tested with the version that pyproject.toml pins.
"""

from fractions import Fraction
from typing import Any

from flowsteer.answers.numbers import FLOAT_DIGITS, unit_of

PLACES = 1000
"""Two irrational numbers whose first thousand digits agree are the same."""


def install() -> None:
    """Replace how math-verify compares two values."""
    from math_verify import grader

    matrices, symbolic = grader.sympy_numeric_eq, grader.sympy_symbolic_eq

    def numeric_eq(gold: Any, answer: Any, *rounding: int) -> bool:
        if getattr(gold, "is_Matrix", False) or getattr(answer, "is_Matrix", False):
            return bool(matrices(gold, answer, *rounding))
        return same_value(gold, answer)

    def symbolic_eq(gold: Any, answer: Any) -> bool:
        if _is_number(gold) and _is_number(answer):
            return False  # Decided before, by value.
        return bool(symbolic(exact(gold), exact(answer)))

    grader.sympy_numeric_eq, grader.sympy_symbolic_eq = numeric_eq, symbolic_eq


def same_value(gold: Any, answer: Any) -> bool:
    """Whether two numbers of sympy are equal: exactly, or as a long decimal and what it was rounded or cut from."""
    if not (_is_number(gold) and _is_number(answer)):
        return False
    one, other = _value(gold), _value(answer)
    if one == other:
        return True
    return _is_zero(one - other) or _is_float_of(gold, other) or _is_float_of(answer, one)


def exact(expression: Any) -> Any:
    """The expression with decimals as the fractions that they were written as."""
    from sympy import Float, Rational  # type: ignore[import-untyped, unused-ignore]

    if not hasattr(expression, "atoms"):
        return expression
    return expression.xreplace({decimal: Rational(str(decimal)) for decimal in expression.atoms(Float)})


def _value(expression: Any) -> Any:
    return exact(expression).doit()


def _is_number(expression: Any) -> bool:
    return bool(getattr(expression, "is_number", False)) and not getattr(expression, "is_Matrix", False)


def _is_zero(difference: Any) -> bool:
    """Whether a number is zero, to `PLACES` places, however small its terms are."""
    if difference.is_Rational or difference.is_infinite:
        return bool(difference == 0)
    parts = difference.evalf(15, maxn=PLACES).as_real_imag()
    return all(part == 0 or (part.is_Float and part._prec == 1) for part in parts)


def _is_float_of(written: Any, value: Any) -> bool:
    """Whether a long decimal is what a computer prints for a value that is neither integer nor decimal."""
    from sympy import Float, Rational

    sign, atom = (-1, -written) if written.could_extract_minus_sign() else (1, written)
    if not isinstance(atom, Float) or (value.is_Rational and value.q == 1) or not value.is_finite:
        return False
    text = str(atom).lower()
    digits = len(text.partition("e")[0].replace(".", "").strip("0"))
    if "." not in text or digits < FLOAT_DIGITS:
        return False
    number = Fraction(text) * sign
    unit = unit_of(number, digits)
    gap = (value - Rational(number.numerator, number.denominator)).evalf(15)
    return bool(abs(gap) < Rational(unit.numerator, unit.denominator))
