"""Scores of translated images."""
