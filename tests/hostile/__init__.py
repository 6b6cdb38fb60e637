"""The campaign: attacks by the hundred on what the product writes, reads and is told."""
