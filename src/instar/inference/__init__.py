"""A trained model as something to call."""
