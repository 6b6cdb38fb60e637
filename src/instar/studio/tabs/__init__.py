"""The parts of the page: each has functions that need no page, and `build`, which lays them out."""
