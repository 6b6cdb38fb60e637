"""Grids of trainings: what is in them, and where they run."""
