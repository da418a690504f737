"""What happens between the opening of a package and the first caller.

golden.py   the answers that the trainer stored, compared with those of this server
warm_up.py  made-up requests: caches get warm, costs are measured
"""
