"""A web page around the library: look at images, train, watch, translate, score. It computes nothing of its own."""
