"""Losses as pure functions of tensors, one idea per file."""
