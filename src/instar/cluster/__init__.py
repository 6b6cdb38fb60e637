"""Work that Ray spreads over many machines."""
