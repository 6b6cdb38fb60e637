"""Whole architectures, one family per file, built from plain arguments."""
