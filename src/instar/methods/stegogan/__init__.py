"""StegoGAN: a CycleGAN that finds what one domain alone has, and leaves it out of translations."""

from instar.methods.stegogan.method import Config, StegoGAN

__all__ = ["Config", "StegoGAN"]
