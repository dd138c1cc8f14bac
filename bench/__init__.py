"""``make bench``: what the program costs, measured against what it is compared with in the same run."""
