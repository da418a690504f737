"""The contract of Shortlist: `*.proto` and the code generated from them (`*_pb2*`, never edited).

- `recommendation`: RecommendationService, the whole funnel
- `search`: SearchService, exact nearest vectors
- `event`: EventService, what users do
- `catalog`: CatalogService, the items
- `package`: PackageService, the model packages of a server
- `answer`, `filter`, `history`, `tensor`: messages that the services share
"""
