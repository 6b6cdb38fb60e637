"""Checkpoints of the authors' own code as networks of Instar's methods."""
