"""One protocol by which every method is judged."""
