"""The funnel, in the order in which a request meets it, over a batch of requests.

decode.py    protobuf to domain; all checking     (decode_*.py, violations.py)
profile.py   what each user did, recorded and given
filter.py    which items each request may get, as masks
retrieve.py  the sources list their best          (sources/)
fuse.py      one list of candidates per request
score.py     the ranker                           (features.py)
rerank.py    the order of the reply               (variety.py, caps.py)
explain.py   why each item is there               (because.py)
encode.py    domain to protobuf

pipeline.py  Pipeline.run: the line above as one function
similar.py   SimilarItems, a short cut of its own
query.py, batch.py  the domain types: one request, and the columns of a batch
task.py      a request and its deadline
ladder.py    what to leave out when time is short (stopwatch.py)
"""
