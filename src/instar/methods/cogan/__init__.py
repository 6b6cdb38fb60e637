"""CoGAN: two generators and two discriminators that share layers; the discriminators' features name classes."""

from instar.methods.cogan.method import CoGAN, Config

__all__ = ["CoGAN", "Config"]
