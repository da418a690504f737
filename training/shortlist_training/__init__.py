"""From data to a model package.

Read it in the order in which `shortlist train` walks through it:

| module | what it does |
|---|---|
| `commands` | `shortlist train`, `evaluate`, `data`: options in, tables out |
| `recipes` | the settings, all of them, with their defaults |
| `data` | files to a checked `Dataset`, the split, the histories |
| `models` | one folder per family: popular, item_neighbours, two_tower, ranker |
| `loop`, `run_directory` | one training loop: progress, early stopping, checkpoints, resume; where it keeps them |
| `plan` | what a run is about to do, checked before torch is loaded |
| `fit` | the order of training: choose on validation, learn the ranker on later windows, refit |
| `funnel` | retrieve, fuse, rank: the operations of the server, offline |
| `export`, `golden`, `package` | ONNX with a parity check, golden requests; a directory written whole or not at all |
| `open_package`, `sessions` | a written package as an offline funnel, on onnxruntime |
| `metrics`, `evaluate`, `reports` | full-ranking metrics, and the table with its protocol |
| `datasets` | the built-in data |
"""
