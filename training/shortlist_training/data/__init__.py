"""From files to arrays. Events are read by `shortlist.events`, whose types and limits are those of the contract.

| module | what it does |
|---|---|
| `tables` | the items file as one table of text, with line numbers |
| `columns` | the rules for the columns of items: text in, typed columns out |
| `rejects` | the rows that were refused, as `shortlist.events` counts and writes them |
| `description` | the optional `dataset.json`: name, licence, attribution |
| `reader` | a data directory to a checked events table and items table |
| `dataset` | the two tables as one `Dataset`: ids sorted, events in time order; `only` cuts away the others |
| `histories` | what each user did, seen items and new items, as lists per user |
| `counts` | how often items were taken, old events counting less |
| `queries` | users as the funnel sees them at one moment, what they then took, and a `Split`: data beside such users |
"""
