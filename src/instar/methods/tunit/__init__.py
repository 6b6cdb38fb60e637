"""TUNIT: Rethinking the Truly Unsupervised Image-to-Image Translation."""

from instar.methods.tunit.method import TUNIT, Config

__all__ = ["TUNIT", "Config"]
