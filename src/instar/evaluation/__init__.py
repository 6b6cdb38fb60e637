"""One protocol by which every method is scored."""
