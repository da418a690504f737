"""`python -m shortlist_server` is `shortlist serve`."""

import typer

from shortlist_server.commands import serve

if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(serve)
    app(prog_name="python -m shortlist_server")
