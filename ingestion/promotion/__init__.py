"""From a completed client batch to live rows: its files are checked one by one over all workers, then published.

`taking_up` claims a batch, `files` checks a file, `judging` decides what becomes of the batch, `publishing` makes the
checked batches of a dataset live together, `reverting` takes them back, `monitor` retries, stalls and ends them.
"""
