"""U-GAT-IT: Unsupervised Generative Attentional Networks with Adaptive Layer-Instance Normalization."""

from instar.methods.ugatit.method import UGATIT, Config

__all__ = ["UGATIT", "Config"]
