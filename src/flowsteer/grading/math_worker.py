"""The process in which LaTeX expressions are compared: reads one JSON request a line, answers one JSON line.

It runs apart, without the caller's environment, because some expressions never come to an end and can only be killed.
"""

import json
import sys
from typing import Any


def main() -> None:
    """Serve until the input ends."""
    from flowsteer.grading.math_exact import install

    install()
    _equal("1", "1")  # The first comparison loads the parser: get that over before a time limit runs.
    print(json.dumps({"ready": True}), flush=True)  # noqa: T201 (the protocol)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(_answer(request["gold"], request["answer"])), flush=True)  # noqa: T201


def _answer(gold: str, answer: str) -> dict[str, Any]:
    """`{"equal": bool}`, or `{"unreadable": "gold" | "answer"}`, or `{"failed": reason}`."""
    try:
        return _equal(gold, answer)
    except Exception as error:  # noqa: BLE001 (whatever the library raises, this pair is unscorable and the worker lives)
        return {"failed": f"{type(error).__name__}: {str(error)[:200]}"}


def _equal(gold: str, answer: str) -> dict[str, Any]:
    from math_verify import verify

    right, given = _parse(gold), _parse(answer)
    if not right or not given:
        return {"unreadable": "answer" if right else "gold"}
    same = verify(right, given, timeout_seconds=None, raise_on_error=True)
    return {"equal": bool(same)}


def _parse(text: str) -> list[Any]:
    from latex2sympy2_extended import NormalizationConfig  # type: ignore[import-untyped, unused-ignore]
    from math_verify import LatexExtractionConfig, parse

    # Units are not dropped here: letters behind a number are variables to an expression.
    spelling = NormalizationConfig(units=False, malformed_operators=True, nits=True, boxed="none", equations=False)
    found: list[Any] = parse(
        f"${text}$",
        extraction_config=[LatexExtractionConfig(normalization_config=spelling)],
        fallback_mode="no_fallback",
        parsing_timeout=None,
        raise_on_error=False,
    )
    return found


if __name__ == "__main__":
    main()
