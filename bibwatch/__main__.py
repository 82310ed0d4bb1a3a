"""`python -m bibwatch` is the `bibwatch` command."""

from bibwatch.cli import main

main()
