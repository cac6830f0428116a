"""What a script does with its data, in the order it does it: a light data flow over Python's `ast`.

`follow` walks the submission's scripts from their tops as a run would, under the effective settings, and writes down
what matters to a referee: where a model or a loss is computed on validation text, where weights are then updated, what
had been updated by then, which loop does what, and which of those losses reach a reported score. Nothing is executed: a
value is a set of tags (`Tag`), an expression joins the tags of what it is made of, a call to the submission's own
function walks that function, and a loop's body is walked once, or twice where a name goes from training text to
validation text in it.

So it holds what is read off the order of one iteration; what an earlier iteration did to a later one is otherwise left
to whoever reads the trace, who knows each event's loops and which of them select its text. Every walk is bounded.
"""

from golf.referee.flow.events import Bank, Event, Forward, Loop, Report, Trace, Update
from golf.referee.flow.tags import TRAIN, VAL, Tag, Tags
from golf.referee.flow.walk import Walk
from golf.referee.program import Program

__all__ = ["TRAIN", "VAL", "Bank", "Event", "Forward", "Loop", "Report", "Tag", "Tags", "Trace", "Update", "follow"]


def follow(program: Program) -> list[Trace]:
    """One trace per script that a run starts with."""
    return [Walk(program, entry).trace for entry in program.entries]
