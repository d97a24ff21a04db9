"""Numbers of the streams from which each thing about devices is drawn: `default_rng([seed, number])`.

Taken elsewhere: 0 the partition, 1 shuffling in training, 4 who is asked, 5 who drops out.
"""

TRAITS = 2
WINDOWS = 3
RANKS = 20
STATES = 21
STATE_SHIFTS = 22
CELLULAR = 23
PHONES = 24
MEMORY = 25
NETWORK_SHIFTS = 26
