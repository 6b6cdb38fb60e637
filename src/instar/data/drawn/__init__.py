"""Unpaired sets of pictures drawn by code, one for each kind of change, with the exact truth of every translation."""
