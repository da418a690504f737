"""The edge: gRPC on one side, the batcher, the pipeline and the store on the other; no business rules.

recommendation.py  RecommendationService     search.py    SearchService
events.py          EventService              catalog.py   CatalogService
packages.py        PackageService            standard.py  health and reflection
interceptor.py     every call passes here: bytes to messages, errors to statuses
status.py          which error is which canonical code, with google.rpc details
"""
