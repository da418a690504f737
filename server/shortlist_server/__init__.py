"""The request path of Shortlist: one process answers which k items, for this user, now, in which order, and why.

commands.py   `shortlist serve`, `shortlist package verify`: what a person types
config.py     Settings: one TOML file and flags, checked before anything starts
ports.py      the port, held or looked at before anything is built
app.py        the composition root: builds every part and wires them
rpc/          the edge: one servicer a file, errors become gRPC status
pipeline/     the funnel: one stage a file, in the order in which a request meets them
catalog/      the model package on disk: manifest, items, vectors, neighbours
inference/    ONNX models, run so that a row's result never depends on its batch
state/        what users did: the durable event log and the profiles derived from it
errors.py     the few errors of this package, and who raises them
"""
