"""pix2pix: Image-to-Image Translation with Conditional Adversarial Networks."""

from instar.methods.pix2pix.method import Config, Pix2Pix

__all__ = ["Config", "Pix2Pix"]
