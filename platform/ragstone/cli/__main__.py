"""`python -m ragstone.cli`: the same as `ragstone`."""

from ragstone.cli import main

main()
