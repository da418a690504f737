"""The parts of `decode`: each reads one part of a request, notes what breaks the contract, and returns domain values.

filters.py     which items may be returned
history.py     what the user did, as far as the request says it
context.py     the circumstances
scoring.py     sources, their fusion, the heads of the ranker
reranking.py   the rules of re-ranking
defaults.py    what the package says where a request says nothing, and the names that a request may use
violations.py  what is wrong with a request, all of it at once
"""
