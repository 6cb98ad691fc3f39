"""What the agent does with the metric pages of a run that ends."""

from __future__ import annotations

from tests.unit.forward.roots import Root
from tests.unit.pages.builders import DECIDE, calls_in, leave_dead
from tradespan.forward.agent import Agent, Rhythm
from tradespan.pages.folding import MOST_DEAD


def test_pages_that_a_pools_workers_left_are_folded_at_the_end_of_the_run(root: Root) -> None:
    root.agent.close()
    root.agent = Agent(root.path, root.build, [], rhythm=Rhythm(poll=0.002, purge=1e9))
    root.agent.step()
    bot = root.start("pool")
    for _ in range(MOST_DEAD + 1):
        leave_dead(bot.folder.path, DECIDE, 1)
    root.agent.step()
    assert len(bot.folder.metric_pages()) == MOST_DEAD + 1

    root.end(bot)
    root.step_until(lambda: (root.drained(bot) or {}).get("complete"))
    root.agent.step()
    assert len(bot.folder.metric_pages()) == 1
    assert calls_in(bot.folder.path) == {DECIDE.name: MOST_DEAD + 1}
