"""The request path of Shortlist: one process answers which k items, for this user, now, in which order, and why.

commands.py   `shortlist serve`, `shortlist package verify`: what a person types
config.py     Settings: one TOML file and flags, checked before anything starts
app.py        the composition root: builds every part and wires them
workers.py    several processes on one port
listen.py     the port, held before anything is built, and the message that it serves
shutdown.py   how a process ends: at once, by draining, by force
logs.py       JSON lines on standard error
rpc/          the edge: one servicer a file, errors become gRPC status
batching/     queues of requests, deadlines, the levels of degradation
pipeline/     the funnel: one stage a file, in the order in which a request meets them
catalog/      the model package on disk: manifest, items, vectors, neighbours
inference/    ONNX models, run so that a row's result never depends on its batch
state/        what users did: the durable event log and the profiles derived from it
errors.py     the few errors of this package, and who raises them
"""
