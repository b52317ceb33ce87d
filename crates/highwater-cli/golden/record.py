#!/usr/bin/env python3
"""Records the memory of a running program as a trace for `highwater replay`.

    record.py sample --pid PID       --limit 256MiB --for 3660 out.csv
    record.py sample --group PID     --limit 256MiB --for 3660 out.csv
    record.py sample --cgroup FOLDER --limit 256MiB --for 3660 out.csv
    record.py thin recording.csv out.csv

`sample` writes one row every 5 s, until the time is over, the program has ended, or its use has reached the limit, where
the kernel would have ended it. `thin` keeps of what a program recorded itself (HIGHWATER_RECORD) the first row of every
5 s, with all its columns, until use has reached the limit. What is counted as `used`:

- of one process RssAnon + RssShmem + VmSwap of /proc/PID/status;
- of a group (the process and all its descendants) the sum of Pss_Anon + Pss_Shmem + SwapPss of each smaps_rollup: a page
  that n processes map counts in each of them for one n-th, and so once in the sum, be it shared memory or what a fork
  shares with its parent. VmRSS and its parts would count it n times;
- of a cgroup its usage less its page cache (and less its reclaimable slab, where version 2 tells it): every page is
  charged once, shared memory too, even where no living process maps it any more. The columns of the process are then
  the sums over all processes in it, as of a group.

Only the standard library is used.
"""

import argparse
import csv
import os
import re
import sys
import time

PROCESS = ["seconds", "used", "limit", "rss", "anon", "shmem", "swap"]
CGROUP = ["cgroup_usage", "cgroup_anon", "cgroup_file", "cgroup_shmem", "cgroup_kernel"]


def main():
    parser = argparse.ArgumentParser(description="Records the memory of a running program.")
    modes = parser.add_subparsers(dest="mode", required=True)
    of = modes.add_parser("sample")
    whom = of.add_mutually_exclusive_group(required=True)
    whom.add_argument("--pid", type=int)
    whom.add_argument("--group", type=int)
    whom.add_argument("--cgroup")
    of.add_argument("--limit", type=amount, required=True)
    of.add_argument("--every", type=float, default=5.0)
    of.add_argument("--for", dest="span", type=float, default=3660.0)
    of.add_argument("out")
    of = modes.add_parser("thin")
    of.add_argument("--every", type=float, default=5.0)
    of.add_argument("recording")
    of.add_argument("out")
    options = parser.parse_args()
    (sample if options.mode == "sample" else thin)(options)


def sample(options):
    columns = PROCESS + (CGROUP if options.cgroup else [])
    with open(options.out, "w", newline="") as out:
        rows = csv.DictWriter(out, columns, lineterminator="\n")
        rows.writeheader()
        began = time.monotonic()
        for turn in range(sys.maxsize):
            time.sleep(max(0.0, began + turn * options.every - time.monotonic()))
            seconds = time.monotonic() - began
            if seconds > options.span:
                return
            row = read(options)
            if row is None:
                sys.exit(f"{options.out}: the program ended after {seconds:.0f} s")
            rows.writerow({"seconds": f"{seconds:.3f}", "limit": options.limit, **row})
            out.flush()
            if row["used"] >= options.limit:
                return


def read(options):
    if options.pid:
        return one(options.pid)
    if options.group:
        members = descendants(options.group)
        return share(members) if members else None
    return cgroup(options.cgroup)


def one(pid):
    """One process, by its status."""
    status = amounts(f"/proc/{pid}/status")
    if "RssAnon" not in status:
        return None
    row = {"rss": status["VmRSS"], "anon": status["RssAnon"], "shmem": status["RssShmem"], "swap": status["VmSwap"]}
    return {"used": row["anon"] + row["shmem"] + row["swap"], **row}


def share(pids):
    """Several processes, each with its share of what it maps together with others."""
    row = dict.fromkeys(["rss", "anon", "shmem", "swap"], 0)
    for pid in pids:
        rollup = amounts(f"/proc/{pid}/smaps_rollup")  # Empty where the process has ended meanwhile.
        for column, key in [("rss", "Pss"), ("anon", "Pss_Anon"), ("shmem", "Pss_Shmem"), ("swap", "SwapPss")]:
            row[column] += rollup.get(key, 0)
    return {"used": row["anon"] + row["shmem"] + row["swap"], **row}


def cgroup(folder):
    """One cgroup with all below it, of version 2 or 1."""
    with open(f"{folder}/cgroup.procs") as processes:
        members = [int(line) for line in processes]
    if not members:
        return None
    with open(f"{folder}/memory.stat") as lines:
        stat = {key: int(value) for key, value in (line.split() for line in lines)}
    row = share(members)
    if os.path.exists(f"{folder}/memory.current"):
        usage = number(f"{folder}/memory.current")
        file = stat["active_file"] + stat["inactive_file"]
        reclaimable = stat.get("slab_reclaimable", 0)
        anon, shmem, kernel = stat["anon"], stat["shmem"], stat.get("kernel", 0) + stat.get("sock", 0)
    else:
        usage = number(f"{folder}/memory.usage_in_bytes")
        file = stat["total_active_file"] + stat["total_inactive_file"]
        reclaimable = 0
        anon, shmem = stat["total_rss"], stat["total_shmem"]
        kernel = number(f"{folder}/memory.kmem.usage_in_bytes")
    return {
        **row,
        "used": max(0, usage - file - reclaimable),
        "cgroup_usage": usage,
        "cgroup_anon": anon,
        "cgroup_file": file,
        "cgroup_shmem": shmem,
        "cgroup_kernel": kernel,
    }


def descendants(root):
    """The process and all that descend from it; empty where it has ended."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as stat:
                    # The name of a process, in brackets, may hold anything; the state and the parent follow it.
                    parents[int(name)] = int(stat.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
    members = [root] if root in parents else []
    for member in members:
        members.extend(pid for pid, parent in parents.items() if parent == member)
    return members


def amounts(path):
    """The lines `Name:   123 kB` of a file, in bytes; none where there is no such file."""
    try:
        with open(path) as lines:
            found = (re.match(r"(\w+):\s+(\d+) kB", line) for line in lines)
            return {line[1]: int(line[2]) * 1024 for line in found if line}
    except OSError:
        return {}


def number(path):
    with open(path) as file:
        return int(file.read())


def thin(options):
    with open(options.recording, newline="") as recording, open(options.out, "w", newline="") as out:
        rows = csv.DictReader(recording)
        kept = csv.DictWriter(out, rows.fieldnames, lineterminator="\n")
        kept.writeheader()
        turn = -1
        for row in rows:
            if (now := int(float(row["seconds"]) // options.every)) > turn:
                kept.writerow(row)
                turn = now
                if row["used"] and row["limit"] and int(row["used"]) >= int(row["limit"]):
                    return


def amount(text):
    found = re.fullmatch(r"(\d+)(MiB|GiB)", text)
    if not found:
        raise argparse.ArgumentTypeError("write an amount such as 256MiB")
    return int(found[1]) << {"MiB": 20, "GiB": 30}[found[2]]


if __name__ == "__main__":
    main()
