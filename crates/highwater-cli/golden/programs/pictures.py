"""A service that shows pictures by day and by night: how many are held follows a wave of 20 minutes, and each goes in its
time. A picture is large enough for malloc to map it alone, so that it goes back to the system at once."""

import collections
import math
import random
import time

PERIOD = 20 * 60
LIFE = 60  # seconds of a picture

pictures = collections.deque()
began = time.monotonic()

while True:
    now = time.monotonic()
    while pictures and pictures[0][0] < now:
        pictures.popleft()
    wave = (1 - math.cos((now - began) / PERIOD * 2 * math.pi)) / 2
    busy = 1.2 + 8.8 * wave  # pictures shown in a second
    for _ in range(round(busy * random.uniform(0.6, 1.4))):
        pictures.append((now + LIFE, b"p" * random.randrange(150_000, 350_000)))
    time.sleep(max(0.0, now + 1.0 - time.monotonic()))
