"""StarGAN v2: Diverse Image Synthesis for Multiple Domains."""

from instar.methods.starganv2.method import Config, StarGANv2

__all__ = ["Config", "StarGANv2"]
