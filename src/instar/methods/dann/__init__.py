"""DANN: features from which a classifier of domains learns nothing, for a classifier of digits without labels."""

from instar.methods.dann.method import DANN, Config

__all__ = ["DANN", "Config"]
