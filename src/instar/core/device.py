"""Choosing where to compute."""

from __future__ import annotations

import torch

from instar.core.errors import UserError


def pick_device(wanted: str) -> str:
    """Return cuda, mps or cpu. One that is asked for by name and not there is a `UserError`."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, available in there.items() if available)
    if not there.get(wanted):
        found = ", ".join(name for name, available in there.items() if available)
        raise UserError(f"--device {wanted}: not available here (there is: {found}); --device auto picks for you")
    return wanted
