"""`shortlist recommend`: ask a running server, and print the answer as a table or as JSON."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shortlist.client import Client
from shortlist.options import RecommendOptions
from shortlist.replies import FoundBy, Reason, Reply


def recommend(
    target: Annotated[str, typer.Option(help="The server, as HOST:PORT.")],
    user: Annotated[str, typer.Option(help="The user to recommend for; optional with --history.")] = "",
    k: Annotated[int, typer.Option(help="How many items, 1..1000.")] = 10,
    history: Annotated[
        list[str] | None, typer.Option(help="An item that the user has just looked at; repeat it, oldest first.")
    ] = None,
    explain: Annotated[str, typer.Option(help="none, brief or full.")] = "brief",
    diversity: Annotated[float, typer.Option(help="0 (by score alone) to 1 (by variety alone).")] = 0.0,
    timeout_s: Annotated[float, typer.Option(help="The deadline of the call, in seconds.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the reply as JSON.")] = False,
) -> None:
    """Recommend items to one user and print them with their scores and reasons."""
    options = RecommendOptions(user_id=user, k=k, history=history, explain=explain, diversity=diversity)
    try:
        with Client(target, timeout_s=timeout_s) as client:
            reply = client.recommend(**options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    if as_json:
        print(json.dumps(dataclasses.asdict(reply), ensure_ascii=False, indent=2))
    else:
        show(reply, Console(markup=False, emoji=False))  # titles are text, brackets and colons included


def show(reply: Reply, console: Console) -> None:
    """Print a reply: a table of its items, then how it came about."""
    table = Table(show_edge=False)
    table.add_column("#", justify="right")
    table.add_column("item", no_wrap=True)
    table.add_column("title", overflow="fold", min_width=20)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold", min_width=24)
    for position, item in enumerate(reply.items, start=1):
        table.add_row(str(position), item.item_id, item.title, f"{item.score:.4f}", why(item.reasons))
    console.print(table)
    timings = ", ".join(f"{stage} {milliseconds:.2f}" for stage, milliseconds in reply.timings_ms.items())
    console.print(f"package {reply.package.id}; milliseconds: {timings}", highlight=False)
    if reply.relevance_lost:
        console.print(f"relevance given up for diversity: {reply.relevance_lost:.4f}", highlight=False)
    for degradation in reply.degraded:
        console.print(f"degraded: {degradation}", highlight=False)


def why(reasons: Sequence[Reason]) -> str:
    """The reasons as text: the sources that found the item on one line, every other reason on its own."""
    found = ", ".join(str(reason) for reason in reasons if isinstance(reason, FoundBy))
    others = [str(reason) for reason in reasons if not isinstance(reason, FoundBy)]
    return "\n".join([*others, found] if found else others)
