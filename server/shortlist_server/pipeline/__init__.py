"""The pipeline, in the order in which a request meets its stages, over a batch of requests.

decode.py    protobuf to domain; all checking      (decoding/: one part of a request a file)
profile.py   what each user did, recorded and given
filter.py    which items each request may get
retrieve.py  the sources list their best           (sources/: one kind a file)
fuse.py      one list of candidates per request
score.py     the ranker                            (features.py)
rerank.py    the order of the reply                (reranking/: one rule a file)
explain.py   why each item is there
encode.py    domain to protobuf; whole replies

pipeline.py  Pipeline: the line above as one function
query.py     the domain type of one request
types.py     the columns that travel from stage to stage

Only decode and encode know the messages of the contract.
"""
