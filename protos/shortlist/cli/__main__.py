"""`python -m shortlist.cli` is `shortlist`."""

from shortlist.cli import main

main()
