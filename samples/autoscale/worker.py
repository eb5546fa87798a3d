"""A worker of the sample's service: a job is a line with the seconds that it takes; the answer is a line when it is done.

Starting takes a while, as it does for real ones. SIGUSR1 makes a worker bad: from then on all takes it six times as long.
"""

import signal
import sys
import time

slowness = 1.0


def go_bad(*_: object) -> None:
    global slowness
    slowness = 6.0


signal.signal(signal.SIGUSR1, go_bad)
signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor ends its workers
time.sleep(float(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    time.sleep(float(line) * slowness)
    print("done", flush=True)
