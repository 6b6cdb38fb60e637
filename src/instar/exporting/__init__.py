"""Trained models as files for other runtimes, with a report that says how well they agree with PyTorch."""
