"""From the columns of each public dataset to a plain row; one small function per dataset.

A row is known by its own id, where the dataset gives each of its rows one, in all of its splits; else by its place.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from flowsteer.answers.boxed import last_boxed
from flowsteer.case_json import read_case
from flowsteer.datasets.answer_options import parse_options
from flowsteer.datasets.public_tests import docstring_examples, first_assert, shown_cases
from flowsteer.datasets.rows import stream

_UNBRACED = re.compile(r"\\boxed(?![A-Za-z]|\s*\{)\s*([^$]+?)\s*\.?\s*(?=\$|\\[\])]|\Z)")
r"""`\boxed 2`: some solutions of MATH go without braces; what is boxed then ends with the formula."""

Native = Mapping[str, Any]
Converter = Callable[[Native, object], dict[str, Any]]
"""Takes the columns and the row's place, such as `train/7`, which no other row of the dataset has."""


def gsm8k(native: Native, place: object) -> dict[str, Any]:
    """`question, answer`, where the answer ends in `#### 18`."""
    solution, _, answer = native["answer"].rpartition("####")
    return _row("gsm8k", place, "math", native["question"], answer.strip(), meta={"solution": solution.strip()})


def math(native: Native, place: object) -> dict[str, Any]:
    r"""`problem, solution` and, in MATH-500, `answer, unique_id`; else the answer is what is boxed last."""
    answer = native.get("answer") or last_boxed(_UNBRACED.sub(r"\\boxed{\1}", native["solution"])) or ""
    row = _row("math", native.get("unique_id") or place, "math", native["problem"], answer)
    subject = native.get("subject") or native.get("type")
    return row | {"meta": {"solution": native["solution"], "subject": subject, "level": native.get("level")}}


def mathqa(native: Native, place: object) -> dict[str, Any]:
    """`Problem, options, correct`; the options are one text `a ) 38 , b ) 27.675 , …`."""
    options = parse_options(native["options"])
    shown = " , ".join(f"{letter} ) {value}" for letter, value in options.items())
    row = _row("mathqa", place, "math", f"{native['Problem']}\nOptions: {shown}", native["correct"])
    return row | {"meta": {"options": options, "category": native.get("category")}}


def aime2025(native: Native, place: object) -> dict[str, Any]:
    """`problem` (or `question`) and `answer`, an integer."""
    question = native.get("problem") or native["question"]
    return _row("aime2025", native.get("id", place), "math", question, str(native["answer"]))


def hotpotqa(native: Native, place: object) -> dict[str, Any]:
    """`question, answer, context {title, sentences}, supporting_facts {title, sent_id}`."""
    passages = zip(native["context"]["title"], native["context"]["sentences"], strict=True)
    context = "\n\n".join(f"[{title}]\n{''.join(sentences).strip()}" for title, sentences in passages)
    facts = native["supporting_facts"]
    pairs = [list(pair) for pair in zip(facts["title"], facts["sent_id"], strict=True)]
    row = _row("hotpotqa", native.get("id", place), "qa", native["question"], native["answer"])
    return row | {"context": context, "meta": {"supporting_facts": pairs, "level": native.get("level")}}


def squad_v2(native: Native, place: object) -> dict[str, Any]:
    """`question, context, answers {text}`; no text means that the passage does not answer."""
    texts = list(dict.fromkeys(native["answers"]["text"]))
    row = _row("squad_v2", native.get("id", place), "qa", native["question"], texts or "")
    return row | {"context": native["context"], "meta": {"title": native.get("title"), "is_impossible": not texts}}


def nq_open(native: Native, place: object) -> dict[str, Any]:
    """`question, answer`, a list of accepted texts."""
    return _row("nq_open", place, "qa", native["question"], list(native["answer"]))


def triviaqa(native: Native, place: object) -> dict[str, Any]:
    """`question, answer {value, aliases}`."""
    answer = native["answer"]
    accepted = list(dict.fromkeys((answer["value"], *answer["aliases"])))
    return _row("triviaqa", native.get("question_id", place), "qa", native["question"], accepted)


def humaneval(native: Native, place: object) -> dict[str, Any]:
    """`task_id, prompt, canonical_solution, test, entry_point`."""
    name, prompt = native["entry_point"], native["prompt"]
    row = _row("humaneval", native.get("task_id", place), "code", prompt, native["canonical_solution"])
    return row | {
        "entry_point": name,
        "prompt_code": prompt,
        "tests": f"{native['test']}\ncheck({name})\n",
        "public_tests": docstring_examples(prompt, name),
    }


def mbpp(native: Native, place: object) -> dict[str, Any]:
    """`task_id, text` (full) or `prompt` (sanitized), `code, test_list` and a set-up code or imports."""
    setup = native.get("test_setup_code") or "\n".join(native.get("test_imports") or ())
    asserts = list(native["test_list"])
    tests = "\n".join((*([setup] if setup else []), *asserts)) + "\n"
    question = native.get("prompt") or native["text"]
    row = _row("mbpp", native.get("task_id", place), "code", question, native["code"])
    public = first_assert(asserts)
    return row | {
        "entry_point": _called(asserts[0], native["code"]),
        "tests": tests,
        "public_tests": f"{setup}\n{public}" if setup else public,
    }


def apps(native: Native, place: object) -> dict[str, Any]:
    """`question, input_output, solutions, starter_code`; the latter three JSON or text, possibly empty."""
    cases = read_case(native["input_output"]) if native.get("input_output") else {"inputs": [], "outputs": []}
    solutions = json.loads(native["solutions"]) if native.get("solutions") else []
    name = cases.get("fn_name")
    row = _row("apps", place, "code", native["question"], min(solutions, key=len, default=""))
    meta = {"difficulty": native.get("difficulty"), "problem_id": native.get("problem_id")}
    row |= {"entry_point": name, "tests": cases, "meta": meta}
    if starter := native.get("starter_code"):
        row["question"] = f"{native['question']}\n\n{starter}"
    if name or not cases["inputs"]:
        return row
    streams = [[*map(stream, cases[key])] for key in ("inputs", "outputs")]
    shown = shown_cases(native["question"], *streams)
    public = {"inputs": [streams[0][i] for i in shown], "outputs": [streams[1][i] for i in shown]}
    return row | {"public_tests": json.dumps(public) if shown else None}


def ds1000(native: Native, place: object) -> dict[str, Any]:
    """`prompt, reference_code, code_context, metadata {library, …}`."""
    prompt, meta = native["prompt"], native.get("metadata") or {}
    row = _row("ds1000", meta.get("problem_id", place), "code", prompt, native["reference_code"])
    _, marker, rest = prompt.rpartition("\nA:\n")
    return row | {"prompt_code": rest.strip() if marker else None, "tests": native["code_context"], "meta": dict(meta)}


def _called(test: str, code: str) -> str | None:
    """The function that a test calls and the code defines."""
    defined = set(re.findall(r"^def (\w+)", code, re.MULTILINE))
    return next((name for name in re.findall(r"(\w+)\(", test) if name in defined), None)


def _row(dataset: str, own: object, kind: str, question: str, answer: object, **more: Any) -> dict[str, Any]:
    identity = str(own) if str(own).startswith(("HumanEval/", f"{dataset}/")) else f"{dataset}/{own}"
    return {"id": identity, "dataset": dataset, "type": kind, "question": question, "answer": answer, **more}


CONVERTERS: Mapping[str, Converter] = {
    "gsm8k": gsm8k,
    "math": math,
    "mathqa": mathqa,
    "aime2025": aime2025,
    "hotpotqa": hotpotqa,
    "squad_v2": squad_v2,
    "nq_open": nq_open,
    "triviaqa": triviaqa,
    "humaneval": humaneval,
    "mbpp": mbpp,
    "apps": apps,
    "ds1000": ds1000,
}
"""By dataset."""
