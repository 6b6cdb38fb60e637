"""Runs as folders for others: weights that translate, settings without paths, and a card."""
