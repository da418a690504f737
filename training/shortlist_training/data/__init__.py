"""From files to arrays. Events are read by `shortlist.events`, whose types and limits are those of the contract.

| module | what it does |
|---|---|
| `tables` | the items file as one table of text, with line numbers |
| `columns` | the rules for the columns of items: text in, typed columns out |
| `rejects` | the rows that were refused, as `shortlist.events` counts and writes them |
| `description` | the optional `dataset.json`: name, licence, attribution |
| `reader` | a data directory to a checked events table and items table |
| `dataset` | the two tables as one `Dataset`: ids sorted, events as int arrays in time order, fingerprint |
| `split` | the protocol `global_time`: one cut for all users |
| `histories` | what each user did before a cut, as the features `history.items` and `history.recency_days` |
| `queries` | the users of a window as the funnel sees them, and what they should get |
"""
