"""The `shortlist` command.

root.py       builds the command, joins the commands of the other packages, turns errors into one line
recommend.py  `shortlist recommend`: ask a server, print a table
events.py     `shortlist events import`: record a data directory's events on a server
demo.py       `shortlist demo`: drives the other commands as processes, from data to recommendations

Commands that live elsewhere (`serve`, `package`, `train`, `evaluate`, `data`) join through the entry point group
`shortlist.commands`, so that nothing is imported upward.
"""

from shortlist.cli.root import main

__all__ = ["main"]
