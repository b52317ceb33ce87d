"""A scheduler whose jobs, one every 200 s, leave their results in a list that nobody empties: a leak in stairs."""

import time

results = []
garbage = None

while True:
    began = time.monotonic()
    rows = [f"{number},{number * 7 % 1000},{'x' * 60}" for number in range(33_000)]
    parsed = [row.split(",") for row in rows]
    garbage = [row[1] for row in parsed]
    results.append(parsed)  # 33,000 lists of three strings
    del rows, parsed
    time.sleep(max(0.0, began + 200 - time.monotonic()))
