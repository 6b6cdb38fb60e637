"""I2SB: Image-to-Image Schrödinger Bridge."""

from instar.methods.i2sb.method import I2SB, Config

__all__ = ["I2SB", "Config"]
