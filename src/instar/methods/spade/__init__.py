"""SPADE: a generator that takes its norms' scales and shifts, place by place, from a label map."""

from instar.methods.spade.method import SPADE, Config

__all__ = ["SPADE", "Config"]
