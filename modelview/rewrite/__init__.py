"""A model's forward changed: as a module that runs, and as Python that a person would write."""

from modelview.rewrite.constructing import constructed
from modelview.rewrite.cut import Cut, plan_cut
from modelview.rewrite.drafting import camel, free_names, remember, said_out_channels, set_out_channels
from modelview.rewrite.hands import Hand
from modelview.rewrite.merging import merged
from modelview.rewrite.renaming import Renaming, plan_renaming
from modelview.rewrite.rewiring import Rewired, plan_rewiring
from modelview.rewrite.wiring import Tap, Turn, Wiring
from modelview.rewrite.writing import import_line, is_identifier

__all__ = [
    "Cut",
    "Hand",
    "Renaming",
    "Rewired",
    "Tap",
    "Turn",
    "Wiring",
    "camel",
    "constructed",
    "free_names",
    "import_line",
    "is_identifier",
    "merged",
    "plan_cut",
    "plan_renaming",
    "plan_rewiring",
    "remember",
    "said_out_channels",
    "set_out_channels",
]
