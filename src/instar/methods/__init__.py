"""One published method per file. The file name is the method's name on the command line."""
