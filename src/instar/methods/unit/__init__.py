"""UNIT: Unsupervised Image-to-Image Translation Networks."""

from instar.methods.unit.method import UNIT, Config

__all__ = ["UNIT", "Config"]
