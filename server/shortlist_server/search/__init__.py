"""Short ways past the pipeline: nearest items of vectors, and items similar to an item. No user, no ranker.

query.py    one decoded `Search`: checked, ids turned into rows
scan.py     which searches share a scan of the vectors, and the scan
service.py  VectorSearch: `Search`, decode -> scan -> encode
similar.py  SimilarItems: the similarity of items, as the sources of the package know it
"""
