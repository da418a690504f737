"""Between the event loop and the work: requests gather into batches, and each gets the best answer its time allows.

batcher.py   Batcher and its queues: admission, one worker thread a queue, one batch at a time
deadline.py  a request with its deadline (Task), and the deadline of a gRPC call
levels.py    the levels of degradation, what each leaves out, and the measured costs that choose one
"""
