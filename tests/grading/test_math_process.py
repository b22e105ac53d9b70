"""The processes that compare expressions end with the one that started them."""

from survivors import survivors_of_a_kill

ENDLESS = r"""
import asyncio
from flowsteer.grading.math_process import MathWorkers
asyncio.run(MathWorkers(seconds=600).equal(r"\sqrt{2}", "9^{9^{9^{9}}}"))
"""


async def test_a_worker_in_the_midst_of_a_comparison_dies_with_its_parent():
    assert await survivors_of_a_kill(ENDLESS, ready=1) == []
