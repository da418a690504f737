"""From files to arrays.

| module | what it does |
|---|---|
| `tables` | one file to rows of text with line numbers: CSV (gzip too), Parquet, MovieLens |
| `columns` | the rules for columns: text in, typed columns out |
| `rejects` | the rows that were refused: counted, shown, written to a file |
| `description` | the optional `dataset.json`: name, licence, attribution |
| `reader` | a data directory to a checked events table and items table |
| `dataset` | the two tables as one `Dataset`: ids sorted, events as int arrays in time order, fingerprint |
| `split` | the protocol `global_time`: one cut for all users |
| `histories` | what each user did before a cut, as the features `history.items` and `history.recency_days` |
| `queries` | the users of a window as the funnel sees them, and what they should get |
"""
