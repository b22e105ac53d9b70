"""The workflows that are run to learn what operators are worth, and those that test what was learned.

Each is a chain, at most behind one parallel of single steps, so that of every step it is known what came in: nothing, a
right answer or a wrong one, with a fault found in it or without. Chains that begin alike share their calls.

What a solver is worth decides most and costs one call, so solvers alone are run on all tasks, chains on a part of them.
"""

SOLVERS = ("Custom", "AnswerGenerate", "Programmer")
"""What is run on all tasks."""

PART = 3
"""Chains are run on one task in so many."""

CHAINS = (
    "Custom -> Verify ? Revise : done -> Format",
    "Custom -> Review ? Revise : done",
    "AnswerGenerate -> Verify ? Programmer : done -> Format",
    "AnswerGenerate -> Review ? AnswerGenerate : done",
    "Programmer -> Verify ? AnswerGenerate : done",
    "Programmer -> Verify ? Programmer : done -> Format",
    "Programmer -> Review ? Revise : done",
    "Programmer -> Test ? Revise : done",
    "Custom -> Test ? Programmer : done",
    "Plan -> Programmer",
    "Plan -> Custom",
    "[Custom, AnswerGenerate, Programmer] -> ScEnsemble",
)
"""What is run on a part of the tasks to see checks, repairs, plans and votes."""

FITTED = (*SOLVERS, *CHAINS)
"""What a profile is fitted to."""

HELD_OUT = (
    "Plan -> Programmer -> Verify ? Revise : done -> Format",
    "AnswerGenerate -> (Review -> Revise) * 2 -> Format",
    "[Programmer, Programmer, Custom] -> ScEnsemble -> Format",
    "Plan -> Custom -> Test ? Programmer : done -> Format",
)
"""What a profile is tested on: no fit sees a run of these."""
