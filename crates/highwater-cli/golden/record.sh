#!/usr/bin/env bash
# Starts programs under their load and records their memory: record.sh FOLDER [NAME...]
#
# Each NAME becomes FOLDER/NAME.csv; without one all are recorded, at the same time. That takes an hour (SPAN=3660 seconds),
# one to two cores, 3 GiB of memory and 2 GiB of disk. Needed: python3, node, redis-server and redis-benchmark, PostgreSQL
# with pgbench, curl; DEMO, the demo (cargo build --release -p demo); PROMETHEUS and OTELCOL (otel-collector/peers/build.sh
# makes both). `postgres` and `demo-files` need root and the memory controller of cgroups under CGROUPS.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
span=${SPAN:-3660}
cgroups=${CGROUPS:-/sys/fs/cgroup/memory}
all=(redis-evicts postgres prometheus node-cache node-batch python-wave python-pictures demo-sawtooth demo-files
    demo-leak node-sessions python-stairs redis-unbounded)

# sample WHOM LIMIT: WHOM is `--pid PID` or the like.
sample() { nice -n -5 python3 "$here/record.py" sample "${@:1:2}" --limit "$3" --for "$span" "$out" || true; }

# A folder for what a program writes; it goes with this recording.
folder() { work=$(mktemp -d /tmp/golden.XXXXXX); chmod 755 "$work"; trap finish EXIT; }
finish() { kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"; }

# bound GROUP BYTES: a cgroup with a limit, of version 2 or 1.
bound() {
    mkdir -p "$1"
    local file=$1/memory.limit_in_bytes
    [ -e "$file" ] || file=$1/memory.max
    echo "$2" >"$file"
}

redis() {
    folder
    redis-server --port 0 --unixsocket "$work/socket" --save '' --appendonly no --dir "$work" "$@" >"$work/log" &
    server=$!
    until [ -S "$work/socket" ]; do sleep 0.1; done
}

# sets COUNT KEYS [EX SECONDS]: sets so many keys of so many to 256 bytes each.
sets() {
    redis-benchmark -s "$work/socket" -q -n "$1" -r "$2" -c 4 -P 4 SET key:__rand_int__ "$(printf 'v%.0s' {1..256})" \
        "${@:3}" >"$work/benchmark"
}

# Memory is bounded to 192 MiB and the oldest keys go first; keys end after a quarter of an hour. Ten minutes of load, five
# of rest.
redis-evicts() {
    redis --maxmemory 192mb --maxmemory-policy allkeys-lru
    while :; do for ((second = 0; second < 900; second++)); do
        [ "$second" -ge 600 ] || sets 1000 2000000 EX 900
        sleep 1
    done; done &
    sample --pid "$server" 256MiB
}

# No bound, and keys that never end.
redis-unbounded() {
    redis --maxmemory 0
    while :; do sets 180 100000000; sleep 1; done &
    sample --pid "$server" 256MiB
}

# 128 MiB of shared buffers; four minutes of pgbench and two of rest, a report with a big sort in every third phase.
postgres() {
    folder
    local bin group=$cgroups/golden-postgres
    bin=$(echo /usr/lib/postgresql/*/bin)
    install -d -o postgres "$work/data" "$work/run"
    bound "$group" $((320 << 20))
    as() { (echo "$BASHPID" >"$group/cgroup.procs"; exec runuser -u postgres -- "$@"); }
    as "$bin/initdb" -D "$work/data" >"$work/log"
    cat >>"$work/data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$work/run'
shared_buffers = 128MB
work_mem = 16MB
maintenance_work_mem = 32MB
max_wal_size = 256MB
CONF
    as "$bin/postgres" -D "$work/data" >>"$work/log" 2>&1 &
    until "$bin/pg_isready" -q -h "$work/run"; do sleep 0.2; done
    runuser -u postgres -- "$bin/createdb" -h "$work/run" bench
    runuser -u postgres -- "$bin/pgbench" -h "$work/run" -i -q -s 20 bench >>"$work/log" 2>&1
    echo "SELECT count(*) FROM (SELECT aid, filler FROM pgbench_accounts WHERE aid < 400000 ORDER BY filler, bid, aid) s;" \
        >"$work/report.sql"
    while :; do
        for phase in 1 2 3; do
            if [ "$phase" = 3 ]; then
                runuser -u postgres -- "$bin/pgbench" -h "$work/run" -n -c 2 -R 0.2 -T 240 -f "$work/report.sql" bench \
                    >>"$work/log" 2>&1 &
            fi
            runuser -u postgres -- "$bin/pgbench" -h "$work/run" -n -c 4 -R 60 -T 240 bench >>"$work/log" 2>&1 || true
            sleep 120
        done
    done &
    sample --cgroup "$group" 320MiB
    "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 ||
        runuser -u postgres -- "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null
    sleep 2
    rmdir "$group" || true
}

# Scrapes itself, under four names, and a collector every second, evaluates rules, and writes a block every ten minutes in
# place of every two hours.
prometheus() {
    folder
    cat >"$work/collector.yaml" <<CONF
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:61002'}}}}
exporters: {debug: {}}
service:
  pipelines: {metrics: {receivers: [otlp], exporters: [debug]}}
  telemetry: {metrics: {level: detailed, readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: 61003}}}}]}}
CONF
    "$OTELCOL" --config "$work/collector.yaml" 2>"$work/collector.log" &
    cat >"$work/prometheus.yaml" <<CONF
global: {scrape_interval: 1s, evaluation_interval: 5s}
rule_files: ['$work/rules.yaml']
scrape_configs:
  - {job_name: collector, static_configs: [{targets: ['127.0.0.1:61003']}]}
  - {job_name: one, static_configs: [{targets: ['127.0.0.1:61001']}]}
  - {job_name: two, static_configs: [{targets: ['127.0.0.1:61001']}]}
  - {job_name: three, static_configs: [{targets: ['127.0.0.1:61001']}]}
  - {job_name: four, static_configs: [{targets: ['127.0.0.1:61001']}]}
CONF
    cat >"$work/rules.yaml" <<CONF
groups:
  - name: all
    rules:
      - {record: 'job:rate', expr: 'sum by (job, __name__) (rate({__name__=~".+_total"}[5m]))'}
      - {record: 'job:latency', expr: 'histogram_quantile(0.9, sum by (job, le) (rate(prometheus_http_request_duration_seconds_bucket[5m])))'}
CONF
    "$PROMETHEUS" --config.file "$work/prometheus.yaml" --storage.tsdb.path "$work/data" \
        --storage.tsdb.min-block-duration=10m --storage.tsdb.max-block-duration=1h \
        --web.listen-address 127.0.0.1:61001 2>"$work/prometheus.log" &
    sample --pid $! 128MiB
}

# service KIND PORT RATE KEYS: a Node.js service under requests.
service() {
    folder
    node "${@:5}" "$here/programs/service.js" "$1" "$2" &
    server=$!
    sleep 1
    node "$here/programs/requests.js" "http://127.0.0.1:$2" "$3" "$4" &
}

node-cache() {
    service cache 61004 40 100000 --max-old-space-size=192
    sample --pid "$server" 192MiB
}

node-sessions() {
    service sessions 61005 30 100000
    sample --pid "$server" 256MiB
}

node-batch() {
    folder
    node "$here/programs/batch.js" &
    sample --pid $! 512MiB
}

python-wave() {
    folder
    python3 "$here/programs/wave.py" &
    sample --pid "$(python_of $!)" 192MiB
}

python-pictures() {
    folder
    # Without it the threshold rises with what is freed, and pictures come to lie among the small objects.
    MALLOC_MMAP_THRESHOLD_=131072 python3 "$here/programs/pictures.py" &
    sample --pid "$(python_of $!)" 224MiB
}

python-stairs() {
    folder
    python3 "$here/programs/stairs.py" &
    sample --pid "$(python_of $!)" 256MiB
}

# Where `python3` is a script that starts the real one, it has become that after a moment.
python_of() { sleep 2; echo "$1"; }

# demo PORT [LIMIT]: the demo, which records itself.
demo() {
    folder
    export OTEL_SDK_DISABLED=true DEMO_ALLOW_OOM=1 PORT=$1
    [ -z "${2:-}" ] || export HIGHWATER_LIMIT=$2
    (
        [ -z "${group:-}" ] || echo "$BASHPID" >"$group/cgroup.procs"
        HIGHWATER_RECORD=$work/demo.csv exec "$DEMO" >"$work/log" 2>&1
    ) &
    url=http://127.0.0.1:$1
    until curl -sf "$url/status" >"$work/answer"; do sleep 0.2; done
}
call() { curl -s "$url/$1" >"$work/answer" || true; }
thin() { sleep "$span"; python3 "$here/record.py" thin "$work/demo.csv" "$out"; }

# Two hundred objects in 400 s, all released, a minute of rest.
demo-sawtooth() {
    demo 61006 256MiB
    while :; do
        for ((object = 0; object < 200; object++)); do call allocate; sleep 2; done
        call release
        sleep 60
    done &
    thin
}

# A quarter of an hour with some objects that come and go, then one MiB more every 10 s that stays.
demo-leak() {
    demo 61007 256MiB
    {
        for ((turn = 0; turn < 15; turn++)); do
            for ((object = 0; object < 10; object++)); do call allocate; sleep 3; done
            call release
            sleep 30
        done
        while :; do call allocate; sleep 10; done
    } &
    thin
}

# In a container of 256 MiB: it holds 150 MiB and idles, while a file of 600 MiB is read beside it over and over.
demo-files() {
    local group=$cgroups/golden-demo-files
    bound "$group" $((256 << 20))
    demo 61008
    for ((object = 0; object < 150; object++)); do call allocate; done
    (
        echo "$BASHPID" >"$group/cgroup.procs"
        dd if=/dev/urandom of="$work/file" bs=4M count=150 status=none
        exec "$here/programs/read.sh" "$work/file"
    ) &
    thin
    while read -r pid; do kill "$pid"; done <"$group/cgroup.procs" || true
    sleep 2
    rmdir "$group" || true
}

[ $# -ge 1 ] || { sed -n '2,7s/^# \?//p' "$0" >&2; exit 2; }
target=$1
shift
mkdir -p "$target"
for name in "${@:-${all[@]}}"; do
    (out=$target/$name.csv; "$name") &
done
wait
