"""`python -m instar.cli`: the command line without its console script."""

from instar.cli.main import main

main()
