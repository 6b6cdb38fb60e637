"""DRIT: content is shared, attributes are a domain's own; swapping attributes twice gives the images back."""

from instar.methods.drit.method import DRIT, Config

__all__ = ["DRIT", "Config"]
