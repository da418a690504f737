"""What runs on the device. Functions here are compiled by numba, which knows neither annotations nor Python's arrays.

A kernel is named by its builder. Where it says `forms`, the steps that threads take together come in two forms.

primitives.py  those steps, and functions of one thread
scoring.py     float64 scores and norms in the order of `reference.lane_sum`; what bounds need of items and queries
scanning.py    which items may reach a floor
masking.py     filters as one bit per item
selecting.py   the k best of rows of keys, in order
fusing.py      lists into one
diversity.py   mmr, dpp

A row of keys holds pairs of int64, a larger one being better: first the score (`key_of`), then what breaks ties (~id).
"""
