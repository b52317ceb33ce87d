"""A service by day and by night: how many sessions are open follows a wave of 20 minutes, and each ends in its time."""

import collections
import math
import random
import time

PERIOD = 20 * 60
LIFE = 60  # seconds of a session

sessions = collections.deque()
began = time.monotonic()


def session():
    basket = [{"article": random.randrange(10**6), "price": random.random(), "note": "n" * 40} for _ in range(60)]
    return {"user": random.randrange(10**9), "basket": basket, "page": bytearray(4096)}


while True:
    now = time.monotonic()
    while sessions and sessions[0][0] < now:
        sessions.popleft()
    wave = (1 - math.cos((now - began) / PERIOD * 2 * math.pi)) / 2
    busy = 10 + 75 * wave  # sessions begun in a second
    for _ in range(round(busy * random.uniform(0.8, 1.2))):
        sessions.append((now + LIFE, session()))
    time.sleep(max(0.0, now + 1.0 - time.monotonic()))
