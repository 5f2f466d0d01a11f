"""A model up to one of its layers, exactly: as a module that runs, and as Python that a person would write."""

from modelview.rewrite.cut import Cut, plan_cut

__all__ = ["Cut", "plan_cut"]
