"""An LLM and a sandbox that answer at once, in the form each operator asks for: what is left is the canvas."""

from flowsteer.backends.base import Features, Reply
from flowsteer.sandbox.base import Outcome
from flowsteer.usage import Usage

TRUTH = "42"


class InstantLLM:
    """Answers every operator; `fails` names the checks that find a fault."""

    spec = "instant:"
    features = Features(json_schema=True)

    def __init__(self, fails=()):
        self.calls = []
        self._fails = set(fails)

    async def complete(self, request):
        operator = request.origin.operator
        self.calls.append(operator)
        return Reply(self._text(operator, request), Usage(calls=1, completion_tokens=3), "instant")

    def _text(self, operator, request):
        ok = operator not in self._fails
        match operator:
            case "Decompose":
                return '{"parts": ["what is 6?", "what is 7?"]}'
            case "Programmer":
                return "```python\nprint(6 * 7)\n```"
            case "Verify":
                answer = TRUTH if ok else "41"
                return f'{{"reasoning": "again", "answer": "{answer}", "confidence": 90}}'
            case "Review":
                return f'{{"feedback": "so it is", "passed": {str(ok).lower()}}}'
            case "Format":
                return '{"answer": "42"}' if request.json_schema else TRUTH
            case _ if request.json_schema:
                return f'{{"reasoning": "because", "answer": "{TRUTH}"}}'
            case _:
                return f"Because of that.\nAnswer: {TRUTH}"

    async def aclose(self):
        pass


class InstantSandbox:
    """Says that every program printed the truth."""

    tier = "monty"

    async def run(self, program, limits=None):
        return Outcome("ok", stdout=TRUTH + "\n")

    async def aclose(self):
        pass
