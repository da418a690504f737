"""How sources answer, offline, with the operations of the server.

| module | what it does |
|---|---|
| `features` | the arrays that a graph of the manifest is fed with |
| `graphs` | a graph with its features: in PyTorch while training, under onnxruntime from a package |
| `kinds` | the kinds of sources: how each retrieves and scores |

They are built either of models that were just fitted or, by `open_package`, of the files of a package.
"""
