"""How good rankings are.

| module | what it does |
|---|---|
| `metrics` | NDCG, recall, hit rate, MRR, coverage, each the mean over all orders of equal scores; paired bootstrap |
| `baselines` | what every report compares with, fitted for the report alone |
| `evaluate` | a package on the test split of a data set, by the protocol that is named beside the numbers |
| `reports` | tables on the terminal, and the report as JSON |
"""
