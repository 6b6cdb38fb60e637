"""DistanceGAN: One-Sided Unsupervised Domain Mapping, by distances between images or within one."""

from instar.methods.distancegan.method import Config, DistanceGAN

__all__ = ["Config", "DistanceGAN"]
