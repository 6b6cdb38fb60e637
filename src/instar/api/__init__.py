"""What `import instar` offers: one function for each use of the library. They raise, and never print or exit."""
