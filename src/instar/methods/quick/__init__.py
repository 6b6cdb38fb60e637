"""Quick: a translation to look at after ten minutes on a laptop. No paper's method: made of known parts."""

from instar.methods.quick.method import Config, Quick

__all__ = ["Config", "Quick"]
