"""GcGAN: Geometry-Consistent Generative Adversarial Networks for One-Sided Unsupervised Domain Mapping."""

from instar.methods.gcgan.method import Config, GcGAN

__all__ = ["Config", "GcGAN"]
