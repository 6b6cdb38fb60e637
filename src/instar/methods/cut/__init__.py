"""CUT and FastCUT: Contrastive Learning for Unpaired Image-to-Image Translation."""

from instar.methods.cut.method import CUT, Config

__all__ = ["CUT", "Config"]
