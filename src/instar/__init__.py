"""Instar: train, judge and use image-to-image translation models on your own images."""
