"""Small torch modules with a state or a trick."""
