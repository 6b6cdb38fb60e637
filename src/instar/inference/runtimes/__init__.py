"""What computes exported models: a file for each runtime, which imports it when a model is opened."""
