"""Chance of a step, as the trainer has it, for loops that are written by hand."""

import torch

from instar.core.seed import mix


def seed_step(seed: int, step: int) -> None:
    """Seed torch's global generators, of all devices, for one step of a run."""
    torch.manual_seed(mix(seed, step))
