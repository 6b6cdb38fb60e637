"""BicycleGAN: Toward Multimodal Image-to-Image Translation."""

from instar.methods.bicyclegan.method import BicycleGAN, Config

__all__ = ["BicycleGAN", "Config"]
