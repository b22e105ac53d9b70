"""The paper's twelve operators: what they make of a reply, how often they ask, and how they fail."""

import pytest
from scripted import OPERATORS, Scripted, call_of, cut, run

from flowsteer.draft import EMPTY, Candidate, Draft, Verdict
from flowsteer.errors import BackendUnavailable, OperatorError
from flowsteer.operators.paper import LIBRARY
from flowsteer.sandbox.base import Outcome
from flowsteer.task import AssertTests, StdioTests, Task

MATH = Task("What is 6 times 7?", "math")
QA = Task("Who wrote Emma?", "qa", context="Jane Austen wrote Emma.")
CODE = Task("Add two numbers.", "code", entry_point="add", public_tests=AssertTests("assert add(1, 2) == 3"))
ADD = "def add(a, b):\n    return a + b"
WRONG = "def add(a, b):\n    return a - b"
OPTIONS = Task("2 + 2?\nA) 3 B) 4", "math", answer_form="one option letter")
LONG = "It was Jane Austen who wrote it."
STALE = Draft(
    plan="1. Multiply.",
    subproblems=("What is 6?", "What is 7?"),
    solution="old",
    code="old = 1",
    output="old",
    candidates=(Candidate("Custom", "1"),),
    verdict=Verdict(False, "The product is wrong.", by="Review"),
    answer="1",
)


def fenced(code):
    return f"```python\n{code}\n```"


async def failure_of(name, task, *replies, draft=EMPTY, sandbox=None):
    with pytest.raises(OperatorError) as failure:
        await run(name, task, *replies, draft=draft, sandbox=sandbox)
    return failure.value.kind


def test_the_library_is_the_papers_twelve_in_six_categories():
    assert {name: op.category for name, op in LIBRARY.operators.items()} == {
        "Plan": "planning",
        "Decompose": "planning",
        "Programmer": "solving",
        "Custom": "solving",
        "AnswerGenerate": "solving",
        "Test": "verification",
        "Review": "verification",
        "Verify": "verification",
        "Revise": "revision",
        "ScEnsemble": "ensemble",
        "Aggregate": "ensemble",
        "Format": "formatting",
    }


class TestPlanning:
    async def test_plan_keeps_the_reply_without_its_thinking(self):
        assert (await run("Plan", MATH, "<think>hm</think>1. Multiply.")).plan == "1. Multiply."

    async def test_a_cut_plan_keeps_its_whole_lines(self):
        assert (await run("Plan", MATH, cut("1. Multiply 6 by 7.\n2. Chec"))).plan == "1. Multiply 6 by 7."

    async def test_an_empty_plan_fails(self):
        assert await failure_of("Plan", MATH, "<think>only this") == "empty_reply"

    async def test_decompose_lists_the_parts(self):
        draft = await run("Decompose", MATH, {"parts": ["1. What is 6 times 5?", "And 6 times 2?"]})
        assert draft.subproblems == ("What is 6 times 5?", "And 6 times 2?")

    async def test_one_part_is_no_decomposition(self):
        assert await failure_of("Decompose", MATH, {"parts": ["all of it"]}, {"parts": []}) == "bad_reply"

    async def test_the_schema_asks_for_two_to_five_parts(self):
        backend = Scripted({"parts": list("abcdef")}, json_schema=True)
        call = call_of("Decompose", MATH, backend)
        assert (await call.operator.run(call)).subproblems == tuple("abcde")
        parts = backend.requests[0].json_schema["properties"]["parts"]
        assert (parts["minItems"], parts["maxItems"]) == (2, 5)


class TestProgrammer:
    @pytest.mark.parametrize(
        ("code", "answer"),
        [
            ("def solve():\n    return 6 * 7", "42"),
            ("def solve():\n    return 84 / 2", "42"),
            ("def solve():\n    return 1 / 4", "0.25"),
            ("print('working')\nprint(6 * 7)", "42"),
            ("def solve():\n    print(6 * 7)\nsolve()", "42"),
            ("def solve(n):\n    return n * 7\nprint(solve(6))", "42"),
            ("def solve():\n    print('the answer follows')\n    return '42'", "42"),
        ],
    )
    async def test_the_answer_is_what_the_program_gives(self, code, answer, sandbox):
        draft = await run("Programmer", MATH, fenced(code), sandbox=sandbox)
        assert draft.answer == answer
        assert draft.code == code

    async def test_a_program_that_only_gives_a_number_is_asked_once_to_compute_it(self, sandbox):
        constant = fenced("def solve():\n    # 6 * 7\n    return 42")
        backend = Scripted(constant, constant)
        call = call_of("Programmer", MATH, backend, sandbox=sandbox)
        assert (await call.operator.run(call)).answer == "42"
        assert "computes nothing" in backend.prompts[1]

    async def test_a_failing_program_is_repaired_with_its_error(self, sandbox):
        backend = Scripted(
            fenced("def solve():\n    return 1 / 0"), "no code", fenced("def solve():\n    return 6 * 7")
        )
        call = call_of("Programmer", MATH, backend, sandbox=sandbox)
        assert (await call.operator.run(call)).answer == "42"
        assert "ZeroDivisionError" in backend.prompts[1]
        assert "no Python code" in backend.prompts[2]
        assert call.usage.calls == 3
        assert call.retries == 1

    async def test_after_three_rounds_it_fails_and_invents_nothing(self, sandbox):
        bad = fenced("def solve():\n    return None")
        assert await failure_of("Programmer", MATH, bad, bad, bad, sandbox=sandbox) == "code_failed"
        assert await failure_of("Programmer", MATH, "42", "42", "42", sandbox=sandbox) == "no_code"

    async def test_an_integer_that_has_no_text_is_a_program_to_repair(self, sandbox):
        backend = Scripted(fenced("def solve():\n    return 10**5000"), fenced("def solve():\n    return 6 * 7"))
        call = call_of("Programmer", MATH, backend, sandbox=sandbox)
        assert (await call.operator.run(call)).answer == "42"
        assert "4300 digits" in backend.prompts[1]

    async def test_cut_code_is_not_run_even_if_it_parses(self, sandbox):
        whole = fenced("def solve():\n    return 6 * 7")
        backend = Scripted(cut("```python\ndef solve():\n    return 4"), whole)
        call = call_of("Programmer", MATH, backend, sandbox=sandbox)
        assert (await call.operator.run(call)).answer == "42"
        assert "shorter" in backend.prompts[1]

    async def test_for_code_the_answer_is_the_code_and_no_verdict_is_given(self, sandbox):
        draft = await run("Programmer", CODE, fenced(WRONG), sandbox=sandbox)
        assert draft.code == draft.answer == WRONG
        assert draft.output == ""
        assert draft.verdict is None

    async def test_code_that_does_not_define_the_entry_point_is_repaired(self, sandbox):
        backend = Scripted(fenced("def plus(a, b):\n    return a + b"), fenced(ADD))
        call = call_of("Programmer", CODE, backend, sandbox=sandbox)
        assert (await call.operator.run(call)).code == ADD
        assert "add" in backend.prompts[1]

    async def test_a_program_is_tried_on_the_first_public_input_alone(self, sandbox):
        task = Task("Double the number.", "code", public_tests=StdioTests(("4", "x"), ("8", "y")))
        draft = await run("Programmer", task, fenced("print(2 * int(input()))"), sandbox=sandbox)
        assert draft.output == "8"

    async def test_code_beyond_the_tier_is_kept_unrun_for_code_and_fails_for_math(self):
        class Weak:
            async def run(self, program, limits):
                return Outcome("unsupported", error="no module named sympy")

        assert (await run("Programmer", CODE, fenced(ADD), sandbox=Weak())).output.startswith("not run:")
        program = fenced("import sympy\nprint(42)")
        assert await failure_of("Programmer", MATH, program, program, program, sandbox=Weak()) == "sandbox_unsupported"

    async def test_earlier_code_is_shown_only_with_the_fault_found_in_it(self, sandbox):
        for verdict, shown in ((Verdict(False, "It subtracts."), True), (Verdict(True), False), (None, False)):
            backend = Scripted(fenced(ADD))
            draft = Draft(plan="1. Add.", code=WRONG, answer=WRONG, verdict=verdict)
            call = call_of("Programmer", CODE, backend, draft, sandbox)
            await call.operator.run(call)
            assert (WRONG in backend.prompts[0]) is shown
            assert ("It subtracts." in backend.prompts[0]) is shown
            assert "1. Add." in backend.prompts[0]


class TestSolving:
    async def test_custom_reads_the_answer_out_of_the_text(self):
        draft = await run("Custom", MATH, "6 * 7 = 42.\nAnswer: 42")
        assert (draft.answer, draft.solution) == ("42", "6 * 7 = 42.\nAnswer: 42")

    async def test_custom_asks_a_cut_text_for_its_answer(self):
        for short in ({"answer": "42"}, "42", "Answer: 42"):
            backend = Scripted(cut("Six times seven is six plus six plus"), short, json_schema=True)
            call = call_of("Custom", MATH, backend, max_tokens=96)
            assert (await call.operator.run(call)).answer == "42"
            assert call.retries == 1
            assert backend.requests[0].json_schema is None
            assert "answer" in backend.requests[1].json_schema["properties"]

    async def test_custom_never_takes_half_a_sentence_for_an_answer(self):
        assert await failure_of("Custom", MATH, cut("Six times"), cut("It is six times")) == "cut_reply"
        assert await failure_of("Custom", MATH, cut("Sure.\nAnswer: 4"), cut('{"answer": "4')) == "cut_reply"
        assert await failure_of("Custom", MATH, "", "<think>hm") == "bad_reply"

    async def test_an_answer_line_before_the_cut_counts(self):
        assert (await run("Custom", MATH, cut("Answer: 42\nI hope that this"))).answer == "42"

    @pytest.mark.parametrize("name", ["Custom", "AnswerGenerate", "Revise", "Aggregate"])
    async def test_a_code_task_gets_code_from_every_solver(self, name):
        draft = await run(name, CODE, f"Adding is simple.\n{fenced(ADD)}", draft=Draft(code=WRONG, answer=WRONG))
        assert (draft.code, draft.answer, draft.solution) == (ADD, ADD, "Adding is simple.")

    async def test_code_is_asked_for_again_once(self):
        assert (await run("Custom", CODE, "Let me think.", fenced(ADD))).code == ADD
        assert await failure_of("Custom", CODE, "Let me think.", fenced("def add(")) == "no_code"

    async def test_answer_generate_reads_json_or_marked_prose(self):
        for reply in (
            {"reasoning": "Austen.", "answer": "Jane Austen."},
            {"reasoning": "Austen.", "answer": "The answer is: Jane Austen"},
            "It says so.\nAnswer: Jane Austen",
        ):
            draft = await run("AnswerGenerate", QA, reply)
            assert draft.answer == "Jane Austen"
            assert draft.solution

    async def test_answer_generate_reasons_freely_and_keeps_steps_and_answer_apart(self):
        backend = Scripted("6 * 7 = 42\n\n**Answer:** 42", json_schema=True)
        call = call_of("AnswerGenerate", MATH, backend)
        draft = await call.operator.run(call)
        assert (draft.solution, draft.answer) == ("6 * 7 = 42", "42")
        assert backend.requests[0].json_schema is None

    @pytest.mark.parametrize("name", ["Custom", "AnswerGenerate", "Verify"])
    @pytest.mark.parametrize(
        ("task", "said", "alone", "right"),
        [
            (QA, "Hm.\nAnswer: a few words, no sentence", "<answer>", "Jane Austen"),
            (MATH, "71 numbers.\nAnswer: 71 \\times \\frac{71 + 1}{2} =", "]}71", "42"),
        ],
    )
    async def test_the_words_of_the_form_or_a_piece_of_an_answer_are_none(self, name, task, said, alone, right):
        assert await failure_of(name, task, said, {"answer": alone}, draft=Draft(answer="1")) == "bad_reply"
        assert (await run(name, task, said, {"answer": right}, draft=Draft(answer=right))).answer == right

    @pytest.mark.parametrize(
        "answer", ["letter", "The number", "result", "option", "value", "O -", "AB +", "Rh -", "Ca2 +", "C++"]
    )
    async def test_a_word_that_the_form_does_not_name_is_an_answer(self, answer):
        assert (await run("AnswerGenerate", QA, f"It says so.\nAnswer: {answer}")).answer == answer

    @pytest.mark.parametrize("echo", ["number", "The number", "<result>", "[value]", "your answer here", "2x +", "3 -"])
    async def test_a_word_that_the_form_names_and_a_placeholder_are_none(self, echo):
        assert (await run("AnswerGenerate", MATH, f"Hm.\nAnswer: {echo}", {"answer": "42"})).answer == "42"

    @pytest.mark.parametrize("alone", [r"\frac{3}{8}", r"x^{2}", "{1, 2}", r"\text{Paris}"])
    async def test_an_answer_alone_may_hold_braces(self, alone):
        assert (await run("AnswerGenerate", MATH, "Hard to say", alone)).answer == alone

    @pytest.mark.parametrize("alone", ['{"answer": 4', "{result: 4}", "{'answer': '4'}", "{}", 'So: {"answer": "4'])
    async def test_what_begins_like_json_is_no_answer_alone(self, alone):
        assert await failure_of("AnswerGenerate", MATH, "Hard to say", alone) == "bad_reply"

    async def test_answer_generate_does_not_guess(self):
        assert await failure_of("AnswerGenerate", QA, "Hard to say", {"reasoning": "?", "answer": "..."}) == "bad_reply"


class TestVerification:
    async def test_test_passes_code_by_running_it_without_an_llm(self, sandbox):
        draft = await run("Test", CODE, draft=Draft(code=ADD, answer=ADD), sandbox=sandbox)
        assert draft.verdict == Verdict(True, "1 of 1 public tests passed", by="Test")

    async def test_test_repairs_with_the_failures_and_judges_the_repaired_code(self, sandbox):
        backend = Scripted(fenced(WRONG), fenced(ADD))
        call = call_of("Test", CODE, backend, Draft(answer=WRONG), sandbox)
        draft = await call.operator.run(call)
        assert draft.verdict.passed
        assert draft.code == draft.answer == ADD
        assert "assert add(1, 2) == 3: got -1" in backend.prompts[0]

    async def test_three_repairs_at_most_then_the_failures_are_the_verdict(self, sandbox):
        draft = await run("Test", CODE, *[fenced(WRONG)] * 3, draft=Draft(code=WRONG), sandbox=sandbox)
        assert not draft.verdict.passed
        assert draft.verdict.feedback == "0 of 1 public tests passed\nassert add(1, 2) == 3: got -1"

    async def test_the_code_that_passed_most_is_kept(self, sandbox):
        tests = AssertTests("assert add(1, 0) == 1\nassert add(1, 2) == 3")
        task = Task("Add.", "code", entry_point="add", public_tests=tests)
        worse = fenced("def add(a, b):\n    return None")
        draft = await run("Test", task, worse, worse, worse, draft=Draft(code=WRONG), sandbox=sandbox)
        assert draft.code == WRONG
        assert draft.verdict.feedback.startswith("1 of 2")

    async def test_where_repairs_bring_no_code_the_verdict_stands(self, sandbox):
        draft = await run("Test", CODE, *["Sorry."] * 6, draft=Draft(code=WRONG), sandbox=sandbox)
        assert (draft.verdict.passed, draft.code) == (False, WRONG)

    async def test_after_one_repair_code_is_drawn_anew_without_the_faulty_one(self, sandbox):
        backend = Scripted(fenced(WRONG), fenced(WRONG), fenced(ADD))
        draft = await (call := call_of("Test", CODE, backend, Draft(code=WRONG), sandbox)).operator.run(call)
        assert draft.verdict.passed
        assert [WRONG in prompt for prompt in backend.prompts] == [True, False, False]
        assert [request.sampling.temperature for request in backend.requests] == [0, 0.7, 0.7]
        assert len({request.origin.sample for request in backend.requests}) == 3

    async def test_printing_pass_does_not_pass(self, sandbox):
        cheat = "print('PASS')\ndef add(a, b):\n    return 'PASS'"
        draft = await run("Test", CODE, *[fenced(cheat)] * 3, draft=Draft(code=cheat), sandbox=sandbox)
        assert not draft.verdict.passed

    @pytest.mark.parametrize("task", [MATH, QA, Task("Add.", "code", entry_point="add")])
    async def test_without_public_tests_nothing_is_claimed(self, task, sandbox):
        assert await failure_of("Test", task, draft=Draft(code=ADD, answer=ADD), sandbox=sandbox) == "no_tests"

    async def test_without_code_there_is_nothing_to_test(self, sandbox):
        assert await failure_of("Test", CODE, sandbox=sandbox) == "nothing_to_check"
        assert await failure_of("Test", CODE, draft=Draft(answer="Sorry."), sandbox=sandbox) == "no_code"

    @pytest.mark.parametrize("passed", [True, False])
    async def test_review_gives_verdict_and_feedback(self, passed):
        draft = await run("Review", MATH, {"feedback": "Look.", "passed": passed}, draft=Draft(answer="41"))
        assert draft.verdict == Verdict(passed, "Look.", by="Review")

    async def test_review_takes_no_verdict_from_the_word_pass(self):
        assert await failure_of("Review", MATH, "PASS", "It should PASS.", draft=Draft(answer="41")) == "bad_reply"

    @pytest.mark.parametrize(("answer", "passed"), [("42", True), ("42.0", True), ("$42$", True), ("41", False)])
    async def test_verify_compares_numbers_by_itself(self, answer, passed):
        own = {"reasoning": "6 * 7", "answer": "42", "confidence": 80}
        draft = await run("Verify", MATH, own, draft=Draft(answer=answer))
        assert (draft.verdict.passed, draft.verdict.confidence) == (passed, 0.8)
        assert draft.answer == answer

    async def test_verify_fails_where_its_own_answer_cannot_be_compared(self):
        assert await failure_of("Verify", MATH, "Hm.\nAnswer: bytes", draft=Draft(answer="42")) == "bad_reply"
        assert await failure_of("Verify", MATH, "Hm.", "Hm,\nhm.", draft=Draft(answer="42")) == "bad_reply"

    async def test_verify_reasons_freely(self):
        backend = Scripted("6 * 7 = 42\nAnswer: 42 eggs\nConfidence: 80", json_schema=True)
        call = call_of("Verify", MATH, backend, Draft(answer="42"))
        backend._replies.append({"same": True})
        assert (await call.operator.run(call)).verdict.confidence == 0.8
        assert backend.requests[0].json_schema is None

    @pytest.mark.parametrize(
        ("line", "passed"),
        [
            ("Verdict: right", True),
            ("**Verdict:** wrong.", False),
            ("Verdict: incorrect, 6 * 7 is 42", False),
            ("Passed: yes", True),
            ("Passed: no, 6 * 7 is 42", False),
        ],
    )
    async def test_review_reads_the_verdict_line_and_keeps_what_stands_above_it(self, line, passed):
        draft = await run("Review", MATH, f"6 * 7 is 42.\n{line}", draft=Draft(answer="41"))
        assert draft.verdict == Verdict(passed, "6 * 7 is 42.", by="Review")

    async def test_the_last_verdict_line_counts(self):
        draft = await run("Review", MATH, "Verdict: right or wrong?\nVerdict: wrong", draft=Draft(answer="41"))
        assert draft.verdict == Verdict(False, "Verdict: right or wrong?", by="Review")

    @pytest.mark.parametrize(
        "line",
        [
            *("Verdict: no errors found", "Verdict: no fault found", "Verdict: yes, there is an error", "Verdict: no"),
            *(
                "Verdict: right or wrong",
                "Verdict: [right/wrong]",
                'Verdict: "right" or "wrong"',
                "Passed: true | false",
            ),
            *("Passed: no errors found", "Passed: yes/no"),
        ],
    )
    @pytest.mark.parametrize("passed", [True, False])
    async def test_a_line_that_says_neither_right_nor_wrong_is_no_verdict(self, line, passed):
        draft = await run("Review", MATH, f"6 * 7 is 42.\n{line}", {"passed": passed}, draft=Draft(answer="41"))
        assert draft.verdict.passed is passed

    @pytest.mark.parametrize(
        ("said", "confidence"),
        [
            *(
                (": 80", 0.8),
                (": 80 %", 0.8),
                (": 0.95", 0.95),
                (": 1.0", 1.0),
                (": 0.5%", 0.005),
                (": 0", 0.0),
                (": 1", 0.01),
                (" (100 sure, 0 not): 60", 0.6),
            ),
            *(
                (" (0-100): 85", 0.85),
                (" (0 to 1): 1", 1.0),
                (" (my own): 70", 0.7),
                (": 9/10", 0.9),
                (": 9 out of 10", 0.9),
            ),
            *(
                (": 0-100", None),
                (": 80–90", None),
                (": 300", None),
                (": 12/10", None),
                (": 1234", None),
                (": high", None),
            ),
        ],
    )
    async def test_verify_reads_how_sure_the_llm_is(self, said, confidence):
        draft = await run("Verify", MATH, f"6 * 7\nAnswer: 42\n**Confidence{said}**", draft=Draft(answer="42"))
        assert draft.verdict.confidence == confidence

    @pytest.mark.parametrize(
        ("said", "confidence"), [(95, 0.95), (0.95, 0.95), ("90%", 0.9), (True, None), (None, None)]
    )
    async def test_a_critic_that_answers_in_json_may_say_how_sure_it_is(self, said, confidence):
        reply = {"reasoning": "1 + 2 gives -1", "passed": False, "confidence": said}
        draft = await run("Verify", CODE, reply, draft=Draft(code=WRONG, answer=WRONG))
        assert draft.verdict.confidence == confidence

    async def test_review_asks_once_for_a_verdict_that_is_missing(self):
        draft = await run("Review", MATH, cut("6 * 7 is"), {"passed": False}, draft=Draft(answer="41"))
        assert draft.verdict == Verdict(False, "6 * 7 is", by="Review")

    async def test_verify_asks_whether_different_words_mean_the_same(self):
        own = {"reasoning": "", "answer": "Austen", "confidence": 80}
        for same in (True, False):
            draft = await run("Verify", QA, own, {"same": same}, draft=Draft(answer="Jane Austen"))
            assert draft.verdict.passed is same

    async def test_verify_solves_without_seeing_the_answer_or_the_work(self):
        backend = Scripted({"reasoning": "", "answer": "42", "confidence": 100})
        draft = Draft(plan="PLAN-SEEN", solution="WORK-SEEN", output="OUT-SEEN", answer="987654")
        call = call_of("Verify", MATH, backend, draft)
        await call.operator.run(call)
        for secret in ("PLAN-SEEN", "WORK-SEEN", "OUT-SEEN", "987654"):
            assert secret not in backend.prompts[0]

    async def test_verify_gives_no_confidence_where_the_llm_gave_none(self):
        draft = await run("Verify", MATH, "Six sevens.\nAnswer: 42", draft=Draft(answer="42"))
        assert draft.verdict == Verdict(True, "Solving it again gives 42, too.", None, "Verify")

    async def test_verify_traces_code(self):
        reply = {"reasoning": "1 + 2 gives -1", "passed": False, "confidence": 95}
        draft = await run("Verify", CODE, reply, draft=Draft(code=WRONG, answer=WRONG))
        assert draft.verdict == Verdict(False, "1 + 2 gives -1", 0.95, "Verify")

    @pytest.mark.parametrize("name", ["Review", "Verify"])
    async def test_no_check_without_an_answer(self, name):
        assert await failure_of(name, MATH) == "nothing_to_check"


class TestEchoes:
    async def test_an_echo_of_the_form_is_not_shown_again(self):
        backend = Scripted("It was Jane Austen. Answer: a few words, no sentence", {"answer": "Jane Austen"})
        call = call_of("AnswerGenerate", QA, backend, EMPTY)
        assert (await call.operator.run(call)).answer == "Jane Austen"
        assert "a few words, no sentence" in backend.prompts[0]
        again = [message.content for message in backend.requests[1].messages]
        assert again[1] == "It was Jane Austen."


class TestRevisionAndEnsemble:
    async def test_revise_is_told_what_was_wrong(self):
        backend = Scripted("6 * 7\nAnswer: 42")
        call = call_of("Revise", MATH, backend, STALE)
        assert (await call.operator.run(call)).answer == "42"
        assert "The product is wrong." in backend.prompts[0]

    async def test_what_a_check_has_passed_is_kept_without_a_call(self):
        work = Draft(solution="By heart.", code="x = 4", answer="4", verdict=Verdict(True, "Right.", by="Verify"))
        assert await run("Revise", MATH, draft=work) == work

    async def test_nothing_to_revise(self):
        assert await failure_of("Revise", MATH) == "nothing_to_revise"

    async def test_a_strict_majority_is_chosen_without_asking(self):
        candidates = (Candidate("a", "41"), Candidate("b", "42", "first"), Candidate("c", "42.0", "second"))
        draft = await run("ScEnsemble", MATH, draft=Draft(candidates=candidates))
        assert (draft.answer, draft.solution, draft.candidates) == ("42", "first", ())

    async def test_without_a_majority_the_llm_chooses_by_letter(self):
        candidates = (Candidate("a", "1"), Candidate("b", "2", "two"), Candidate("c", "3"))
        backend = Scripted({"choice": "B"}, json_schema=True)
        call = call_of("ScEnsemble", MATH, backend, Draft(candidates=candidates))
        draft = await call.operator.run(call)
        assert (draft.answer, draft.solution) == ("2", "two")
        assert backend.requests[0].json_schema["properties"]["choice"]["enum"] == ["A", "B", "C"]

    async def test_two_against_two_is_no_majority(self):
        candidates = tuple(Candidate(str(i), answer) for i, answer in enumerate(("1", "2", "1", "2")))
        assert (await run("ScEnsemble", MATH, {"choice": "D"}, draft=Draft(candidates=candidates))).answer == "2"

    async def test_a_letter_that_is_no_candidate_fails(self):
        candidates = (Candidate("a", "1"), Candidate("b", "2"))
        assert await failure_of("ScEnsemble", MATH, "Choice: C", "choice: Z", draft=Draft(candidates=candidates)) == (
            "bad_reply"
        )

    async def test_programs_agree_by_their_meaningful_text(self):
        same = "def add(a, b):  # adds\n        return a + b"
        candidates = tuple(Candidate(str(i), code, code=code) for i, code in enumerate((WRONG, ADD, same)))
        assert (await run("ScEnsemble", CODE, draft=Draft(candidates=candidates))).code == ADD

    @pytest.mark.parametrize("candidates", [(), (Candidate("a"), Candidate("b"))])
    async def test_no_candidates(self, candidates):
        assert await failure_of("ScEnsemble", MATH, draft=Draft(candidates=candidates)) == "no_candidates"

    async def test_aggregate_merges_candidates_or_the_work_so_far(self):
        many = Draft(candidates=(Candidate("a", "six sevens"), Candidate("b", "seven sixes")))
        parts = Draft(subproblems=("What is 6?",), solution="six sevens and seven sixes")
        for draft in (many, parts):
            backend = Scripted("Answer: 42")
            call = call_of("Aggregate", MATH, backend, draft)
            assert (await call.operator.run(call)).answer == "42"
            assert "six sevens" in backend.prompts[0]
            assert "seven sixes" in backend.prompts[0]

    async def test_nothing_to_merge(self):
        assert await failure_of("Aggregate", MATH, draft=Draft(plan="1. Add.")) == "nothing_to_merge"


class TestFormat:
    @pytest.mark.parametrize("reply", [{"answer": "42"}, "42", "Answer: 42", "<answer>42</answer>"])
    async def test_the_short_form_is_read(self, reply):
        draft = await run("Format", MATH, reply, draft=Draft(solution="…", answer="It is 42."))
        assert draft.answer == "42"

    async def test_the_form_is_the_tasks(self):
        task = Task("2 + 2?\nA) 3 B) 4", "math", answer_form="one option letter")
        backend = Scripted({"answer": "B"})
        call = call_of("Format", task, backend, Draft(answer="4"))
        assert (await call.operator.run(call)).answer == "B"
        assert "one option letter" in backend.prompts[0]

    async def test_a_verdict_survives_formatting(self):
        draft = Draft(answer="It is 42.", verdict=Verdict(True))
        assert (await run("Format", MATH, {"answer": "42"}, draft=draft)).verdict == Verdict(True)

    async def test_code_is_taken_out_without_an_llm(self):
        assert (await run("Format", CODE, draft=Draft(answer=f"Here:\n{fenced(ADD)}"))).answer == ADD
        assert (await run("Format", CODE, draft=Draft(code=ADD, answer="see above"))).answer == ADD
        assert await failure_of("Format", CODE, draft=Draft(answer="none")) == "no_code"

    async def test_nothing_to_format(self):
        assert await failure_of("Format", QA) == "nothing_to_format"
        assert await failure_of("Format", QA, "one\ntwo", {"answer": ""}, draft=Draft(answer=LONG)) == "bad_reply"
        assert await failure_of("Format", QA, cut("It is"), cut("Jane Au"), draft=Draft(answer=LONG)) == "cut_reply"

    @pytest.mark.parametrize(
        ("task", "answer"),
        [(MATH, "42"), (MATH, r"\frac{1}{2}"), (QA, "Jane Austen"), (OPTIONS, "(b)"), (OPTIONS, "b")],
    )
    async def test_an_answer_that_has_the_form_is_passed_on_without_a_call(self, task, answer):
        assert (await run("Format", task, draft=Draft(solution="…", answer=answer))).answer == answer

    @pytest.mark.parametrize(
        ("task", "answer", "reply"),
        [
            (MATH, "42 eggs in all", "41"),
            (QA, LONG, "Emily Bronte"),
            (OPTIONS, "It is b, since 2 + 2 is 4", "four"),
            (MATH, "-5 degrees", "5"),
            (MATH, "minus 5 degrees", "5"),
            (MATH, "-$5 in all", "$5"),
            (MATH, "1/2 cup", "1"),
            (MATH, r"-\frac{1}{2} cup", "1/2"),
            (MATH, "2 1/2 cups", "2"),
            (MATH, r"2\frac{1}{2} cups", "2"),
            (MATH, "18.5 dollars", "18"),
            (QA, "It was 18.5 dollars.", "18"),
            (QA, "It was 1/2 cup.", "1"),
        ],
    )
    async def test_another_answer_than_the_given_one_is_not_taken(self, task, answer, reply):
        assert (await run("Format", task, {"answer": reply}, draft=Draft(answer=answer))).answer == answer

    @pytest.mark.parametrize(
        ("task", "answer", "short"),
        [
            (MATH, "18.00 dollars", "18"),
            (MATH, "1,200.50 dollars", "1200.5"),
            (MATH, "minus 5 degrees", "-5"),
            (MATH, "−5 degrees", "-5"),
            (MATH, "x = -5 as stated", "-5"),
            (MATH, "10-5 is 5 eggs", "5"),
            (MATH, r"\frac{1}{2} cup", "1/2"),
            (MATH, "1/2 cup", "0.5"),
            (MATH, "2 1/2 cups", "2.5"),
            (MATH, r"about \frac{\pi}{2} metres", r"\frac{\pi}{2}"),
            (QA, "It was 18.00 dollars.", "18.00 dollars"),
            (QA, "It was in 1914-18.", "1914-18"),
        ],
    )
    async def test_the_same_value_written_shorter_is_taken(self, task, answer, short):
        assert (await run("Format", task, {"answer": short}, draft=Draft(answer=answer))).answer == short


REPLIES = {
    "Plan": "1. Multiply.",
    "Decompose": {"parts": ["a", "b"]},
    "Programmer": fenced("def solve():\n    return 6 * 7"),
    "Custom": "Answer: 42",
    "AnswerGenerate": {"reasoning": "", "answer": "42"},
    "Review": {"feedback": "fine", "passed": True},
    "Verify": {"reasoning": "", "answer": "42", "confidence": 90},
    "Revise": "Answer: 42",
    "ScEnsemble": {"choice": "A"},
    "Aggregate": "Answer: 42",
    "Format": {"answer": "42"},
}


@pytest.mark.parametrize("name", REPLIES)
async def test_one_call_a_node_that_carries_the_directors_instruction(name, sandbox):
    candidates = (Candidate("a", "42"), Candidate("b", "41"))
    backend = Scripted(REPLIES[name])
    draft = Draft(solution="six sevens", answer="42 in all", candidates=candidates)
    call = call_of(name, MATH, backend, draft, sandbox, prompt="Count on {{ fingers }}.")
    await call.operator.run(call)
    assert call.usage.calls == 1
    assert call.retries == 0
    assert "Instruction: Count on {{ fingers }}." in backend.prompts[0]


async def test_the_instruction_reaches_the_repairs_of_test(sandbox):
    backend = Scripted(fenced(ADD))
    call = call_of("Test", CODE, backend, Draft(code=WRONG), sandbox, prompt="Use plus.")
    await call.operator.run(call)
    assert "Instruction: Use plus." in backend.prompts[0]


@pytest.mark.parametrize("name", ["Programmer", "Custom", "AnswerGenerate", "Revise", "ScEnsemble", "Aggregate"])
async def test_a_new_solution_clears_what_spoke_of_the_old_one(name, sandbox):
    draft = await run(name, MATH, *([] if name == "ScEnsemble" else [REPLIES[name]]), draft=STALE, sandbox=sandbox)
    assert draft.verdict is None
    assert draft.candidates == ()
    assert "old" not in (draft.solution, draft.output)
    assert draft.code != "old = 1"
    assert draft.plan == STALE.plan


@pytest.mark.parametrize("name", REPLIES)
async def test_a_backend_that_is_gone_is_never_turned_into_a_result(name, sandbox):
    class Gone(Scripted):
        async def complete(self, request):
            raise BackendUnavailable("gone")

    draft = Draft(solution="s", answer="42 in all", candidates=(Candidate("a", "42"), Candidate("b", "41")))
    call = call_of(name, MATH, Gone(), draft, sandbox)
    with pytest.raises(BackendUnavailable):
        await call.operator.run(call)


def test_every_operator_has_one_line_for_the_directors_prompt():
    for operator in OPERATORS.values():
        assert operator.summary
        assert "\n" not in operator.summary
