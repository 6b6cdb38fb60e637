"""What the other folders share; it knows none of them."""
