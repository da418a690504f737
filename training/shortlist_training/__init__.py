"""From data to a model package.

Read it in the order in which `shortlist train` walks through it:

| module | what it does |
|---|---|
| `commands` | `shortlist train`, `evaluate`, `data`: options in, tables out |
| `data` | files to a checked `Dataset`, the histories, what a query sees |
| `recipes` | functions of the data's shape: which families, settings, grids, fusion, ranker, budget |
| `protocols` | how data is split, so that no model sees what it is judged by |
| `plan` | what a run is about to do, checked before torch is loaded |
| `fit` | the order of training: choose, learn the ranker on later windows, judge, refit |
| `models` | one folder per family: settings, fit, graph, export with its parity check, README |
| `loop`, `run_directory` | one training loop: progress, early stopping, checkpoints, resume; where it keeps them |
| `grids`, `fusion` | settings and weights chosen on validation, for any family and any number of sources |
| `gates` | what a package must fulfil before it is published |
| `sources` | the kinds of the manifest, offline: how each retrieves and scores; features and graphs |
| `funnel` | retrieve, fuse, rank: the operations of the server, offline |
| `export`, `onnx_export`, `golden` | the package: manifest, graphs, golden requests |
| `open_package` | a written package as an offline funnel, by kinds |
| `evaluation` | full-ranking metrics, baselines, and the table with its protocol |
| `datasets` | the built-in data |
"""
