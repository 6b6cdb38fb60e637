"""UNSB: a Schrödinger bridge between unpaired images, in a few passes of one generator."""

from instar.methods.unsb.method import UNSB, Config

__all__ = ["UNSB", "Config"]
