"""What Instar can do, as Python functions: each is one use case."""
