"""UNIT for domain adaptation: a classifier for digits of which only those of another domain have labels."""

from instar.methods.unit_adaptation.method import Config, UNITAdaptation

__all__ = ["Config", "UNITAdaptation"]
