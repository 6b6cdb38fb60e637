"""FUNIT: one generator for many classes, and for classes that it has never seen, of which it is shown an image."""

from instar.methods.funit.method import FUNIT, Config

__all__ = ["FUNIT", "Config"]
