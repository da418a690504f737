"""From data to a model package.

Read it in the order in which `shortlist train` walks through it:

| module | what it does |
|---|---|
| `commands` | `shortlist train`, `evaluate`, `data`: options in, tables out |
| `recipes` | the settings, all of them, with their defaults |
| `data` | files to a checked `Dataset`, the split, the histories |
| `models` | one folder per family: popular, item_neighbours, two_tower, ranker |
| `loop` | one training loop for the families that learn by gradient: progress, early stopping, checkpoints, resume |
| `fit` | the order of training: choose on validation, learn the ranker on later windows, refit for the package |
| `funnel` | retrieve, fuse, rank: the operations of the server, offline |
| `export`, `package` | PyTorch to ONNX with a parity check; the package directory, written whole or not at all |
| `metrics`, `evaluate` | full-ranking metrics and the table with its protocol |
| `datasets` | the built-in data |
"""
