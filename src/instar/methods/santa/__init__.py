"""SANTA: Unpaired Image-to-Image Translation with Shortest Path Regularization."""

from instar.methods.santa.method import SANTA, Config

__all__ = ["SANTA", "Config"]
