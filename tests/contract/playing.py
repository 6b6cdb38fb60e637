"""Runs of any method on images made in memory."""

from instar.testing.runs import Noise, build, source_for, tiny, trainer

__all__ = ["Noise", "build", "source_for", "tiny", "trainer"]
