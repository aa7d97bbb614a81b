"""The plans, a module for each suite."""

from . import banking, slack, travel, workspace  # noqa: F401
