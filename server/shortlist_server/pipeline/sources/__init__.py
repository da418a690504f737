"""Where candidates come from: one module a kind of source, and nothing outside this folder asks which kind one is.

source.py            what every kind answers, and what it is built from
kinds.py             the registry: a line a kind
item_scores.py       one score an item, for everybody
item_matrix.py       the weighted history times a sparse matrix
user_vector.py       the items nearest to a vector of the user
user_neighbours.py   what the users with the most similar histories took
candidate_scorer.py  a graph that scores what others found
history.py           the weights of a history
candidate_graph.py   a graph over candidates, run so that no request changes another's scores
"""

from shortlist_server.pipeline.sources.kinds import build_sources
from shortlist_server.pipeline.sources.source import Source, SourceQuery

__all__ = ["Source", "SourceQuery", "build_sources"]
