#!/usr/bin/env bash
# Runs compose.yaml for real, without pulling anything: the demo crosses its high level under the container's real memory
# limit, and its trace is then in Jaeger, its metrics in Prometheus, its events in the collector's file and on its console.
# Then it is held down until the kernel kills it: it is started again, and what it tells of its end is there too.
#
# Exit code 0: all of it was seen. 1: something was not. 3: no Docker engine can be had here, so nothing was tried.
#
# The images are made on the spot and laid out as the real ones are: one static program each (peers/build.sh, the demo).
# Grafana is no such program, so that it is left out: the tests hold its dashboard against the real Prometheus instead.
# The engine is the one that `docker` reaches; where there is none, root starts a private one in namespaces of its own:
# its network, firewall rules, mounts and processes end with the script, whichever way that ends.
#
#   DEMO_BINARY=PATH   a static demo that exists already, instead of building it
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")

say() { echo "compose check: $*" >&2; }
fail() { say "FAILED: $*"; exit 1; }

# within SECONDS WHAT COMMAND...: asks again and again until the command succeeds; no wait is without an end.
within() {
    local deadline=$((SECONDS + $1)) what=$2
    until "${@:3}"; do
        ((SECONDS < deadline)) || fail "not in time: $what"
        sleep 0.2
    done
    say "$what"
}

# Parts: the programs -------------------------------------------------------------------------------------------------

find_parts() {
    if docker compose version >/dev/null 2>&1; then
        PEERS=$("$here/peers/build.sh")
    else
        PEERS=$("$here/peers/build.sh" compose)
    fi
    if [[ -z ${DEMO_BINARY:-} ]]; then
        say "building the demo"
        local target
        target=$(rustc -vV | sed -n 's/^host: //p')
        # As in the Dockerfile. Naming the target also keeps this build apart from the everyday one.
        (cd "$root" && RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked -p demo --target "$target" >&2)
        DEMO_BINARY=${CARGO_TARGET_DIR:-$root/target}/$target/release/demo
    fi
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/highwater-check.XXXXXX")
    # The script calls itself for the next stages; what they need travels in the environment.
    export PEERS DEMO_BINARY WORK
}

# Engine: the one in reach, or a private one --------------------------------------------------------------------------

not_tried() { say "not tried: $*"; exit 3; }

# Asked before anything is built.
find_engine() {
    local program
    if docker info >/dev/null 2>&1; then
        engine=reached
        return
    fi
    [[ $EUID == 0 ]] || not_tried "no Docker engine answers, and only root can start a private one."
    for program in docker dockerd iptables ip unshare; do
        command -v "$program" >/dev/null || not_tried "no Docker engine answers, and to start a private one $program is missing."
    done
    unshare --net --mount --pid --fork true 2>/dev/null || not_tried "no Docker engine answers, and namespaces for a private one are refused."
    engine=private
}

run_with_engine() {
    case $engine in
        # Somebody's own: there, the names in .env belong to the real images.
        reached) "$0" --run highwater-check/ ;;
        private) unshare --net --mount --pid --fork --kill-child --mount-proc "$0" --private-engine ;;
    esac
}

# Of the private engine, what its namespaces do not take with them. The control groups are empty by then.
forget_engine() {
    rm -rf "$WORK"
    find /sys/fs/cgroup -depth -type d -path "*/$(basename "$WORK")*" -exec rmdir {} + 2>/dev/null || true
}

engine_answers() {
    kill -0 "$engine_process" 2>/dev/null || not_tried "no Docker engine answers, and a private one ended: $(tail -n 3 "$WORK/dockerd.log")"
    docker info >/dev/null 2>&1
}

# Runs as process 1 of the namespaces: when it ends, the kernel ends whatever else is in them.
private_engine() {
    ip link set lo up
    export DOCKER_HOST=unix://$WORK/docker.sock
    dockerd --host "$DOCKER_HOST" --data-root "$WORK/data" --exec-root "$WORK/exec" --pidfile "$WORK/dockerd.pid" \
        --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$(basename "$WORK")" >"$WORK/dockerd.log" 2>&1 &
    engine_process=$!
    local code=0
    within 60 "a private Docker engine answers" engine_answers
    "$0" --run '' || code=$?
    kill "$engine_process"
    wait "$engine_process" || true
    exit "$code"
}

# Images --------------------------------------------------------------------------------------------------------------

# The names that compose.yaml will use, with a prefix; and free ports, of the engine's choice.
name_images() {
    local variable
    set -a
    # shellcheck source=/dev/null
    source "$root/.env"
    for variable in COLLECTOR_IMAGE JAEGER_IMAGE PROMETHEUS_IMAGE DEMO_IMAGE; do
        printf -v "$variable" %s "$1${!variable}"
    done
    set +a
    export BIND=127.0.0.1 DEMO_PORT=0 PAGE_PORT=0 JAEGER_PORT=0 PROMETHEUS_PORT=0 OTLP_GRPC_PORT=0 OTLP_HTTP_PORT=0
}

# image NAME USER PROGRAM PATH [CHANGE...]: an image of one program, at PATH, and of what lies in $files already.
image() {
    local changes=(--change "USER $2" --change "ENTRYPOINT [\"$4\"]") change
    for change in "${@:5}"; do changes+=(--change "$change"); done
    install -D "$3" "$files$4"
    tar -C "$files" --owner="$2" --group="$2" -c . | docker import "${changes[@]}" - "$1" >/dev/null
    rm -rf "$files"
}

make_images() {
    files=$WORK/files
    image "$COLLECTOR_IMAGE" 10001 "$PEERS/otelcol" /otelcol-contrib \
        'CMD ["--config", "/etc/otelcol-contrib/config.yaml"]'

    # The Jaeger of the pinned image needs no configuration, the one that can be built does.
    install -D -m 644 "$here/jaeger-2.0.yaml" "$files/etc/jaeger.yaml"
    image "$JAEGER_IMAGE" 10001 "$PEERS/jaeger" /cmd/jaeger/jaeger-linux \
        'CMD ["--config", "/etc/jaeger.yaml"]' 'ENV OTEL_TRACES_SAMPLER=always_off'

    mkdir -p "$files/prometheus"
    image "$PROMETHEUS_IMAGE" 65534 "$PEERS/prometheus" /bin/prometheus 'VOLUME /prometheus' 'WORKDIR /prometheus'

    # As in the Dockerfile: the volume takes its owner from here.
    mkdir -p "$files/boxes"
    image "$DEMO_IMAGE" 10001 "$DEMO_BINARY" /demo

    # Two differences to what a user runs. The wget of the real images' health checks is not in these: both programs are
    # asked from outside instead. And a level is entered and left sooner. Where the check says so, nothing keeps the demo
    # from its end.
    cat >"$WORK/overlay.yaml" <<'YAML'
services:
  jaeger: {healthcheck: !reset null}
  prometheus: {healthcheck: !reset null}
  demo:
    environment:
      HIGHWATER_HOLD_ELEVATED: 1s
      HIGHWATER_HOLD_HIGH: 1s
      HIGHWATER_HOLD_LEAVE: 2s
      DEMO_ALLOW_OOM: ${DEMO_ALLOW_OOM:-}
YAML
}

# Check ---------------------------------------------------------------------------------------------------------------

compose() {
    local program=(docker compose)
    if [[ -x $PEERS/docker-compose ]]; then program=("$PEERS/docker-compose"); fi
    "${program[@]}" -p "$project" -f "$root/compose.yaml" -f "$WORK/overlay.yaml" "$@"
}

get() { curl -sf --max-time 5 "$@"; }

# says PATTERN COMMAND...: whether the command's output contains the pattern.
says() { grep -Eq -- "$1" <<<"$("${@:2}")"; }

level_is() { says "\"level\": *\"($1)\"" get "$demo/status"; }
jaeger_has() { says "\"operationName\": *\"$1\"" get "$jaeger/api/traces/$trace"; }
prometheus_has() { says '"metric"' get -G "$prometheus/api/v1/query" --data-urlencode "query=$1"; }
events_file() { compose cp otel-collector:/var/lib/otelcol/events.jsonl - 2>/dev/null | tar -xO; }
told_of_its_end() { events_file | grep 'eventName":"highwater.previous_run.ended"'; }
end_says() { says "\"highwater.exit.verdict\",\"value\":{\"stringValue\":\"($1)\"" told_of_its_end; }
restarts() { docker inspect --format '{{.RestartCount}}' "$(compose ps -q demo)"; }
file_has() { says "\"traceId\":\"$trace\"[^{}]*\"eventName\":\"$1\"" events_file; }
console_has() { says "event.name=$1" compose logs --no-log-prefix otel-collector; }

allocate_until_high() {
    local calls
    # One MiB a call, so that the limit bounds the calls.
    for ((calls = 1; calls <= limit >> 20; calls++)); do
        # Near the limit the demo refuses: then the level is crossed, and has to be held.
        get -o /dev/null "$demo/allocate" || break
        if ((calls % 16 == 0)) && level_is 'high|critical'; then break; fi
    done
    within 60 "the high level is reached" level_is 'high|critical'
}

# A MiB a call, four times the limit at most, until the kernel ends it.
hold_allocate_down() {
    local calls
    for ((calls = 1; calls <= limit >> 18; calls++)); do
        get -o /dev/null "$demo/allocate" || [[ $(restarts) == 0 ]] || return 0
    done
    fail "the demo outlived its limit four times"
}

check() {
    local service='{service_name="highwater-demo"}'
    local services=(demo otel-collector jaeger prometheus)
    say "Grafana is not tried: its image cannot be made on the spot"
    compose up --no-build --pull never --detach --wait --wait-timeout 120 "${services[@]}" >&2 || fail "the services did not come up"
    demo=http://$(compose port demo 3000)
    jaeger=http://$(compose port jaeger 16686)
    prometheus=http://$(compose port prometheus 9090)
    limit=$(docker inspect --format '{{.HostConfig.Memory}}' "$(compose ps -q demo)")
    within 30 "Jaeger answers" get -o /dev/null "$jaeger/api/services"
    within 30 "Prometheus answers" get -o /dev/null "$prometheus/-/ready"
    within 30 "Prometheus has its rules" says '"name": *"HighwaterNearLimit"' get "$prometheus/api/v1/rules"
    within 30 "Prometheus has the container's limit, $limit bytes" prometheus_has "highwater_memory_limit_bytes$service == $limit"
    within 30 "Prometheus has the resident set" prometheus_has "process_memory_usage_bytes$service > 0"

    allocate_until_high
    trace=$(get "$demo/status" | grep -Eo '"[0-9a-f]{32}"' | head -n 1 | tr -d '"') || fail "/status names no open episode"
    within 30 "Jaeger has the open episode, trace $trace" jaeger_has 'memory episode begun'
    within 30 "the collector's file has its event" file_has highwater.memory.episode.begun
    within 30 "the collector's console has its event" console_has highwater.memory.episode.begun
    within 30 "Prometheus has its event counted" prometheus_has 'highwater_collector_events_total{event_name="highwater.memory.episode.begun"}'
    within 30 "Prometheus has a utilization over 80 %" prometheus_has "highwater_memory_utilization_ratio$service > 0.8"

    get -o /dev/null "$demo/release"
    within 120 "the normal level is back" level_is normal
    within 30 "Jaeger has the whole episode" jaeger_has 'memory episode'
    within 30 "the collector's file has its end" file_has highwater.memory.episode.ended
    [[ $(restarts) == 0 ]] || fail "the demo was restarted on the way"

    # Another container: what it tells it has from the box in the volume.
    DEMO_ALLOW_OOM=1 compose up --no-build --pull never --detach --wait --wait-timeout 120 --no-deps demo >&2 || fail "the demo did not come up again"
    demo=http://$(compose port demo 3000)
    [[ -z $(told_of_its_end) ]] || fail "an orderly end was told as another"
    hold_allocate_down
    within 60 "the demo was killed, and is started again" eval '(($(restarts) > 0))'
    within 60 "the collector's file has how it ended" end_says 'oom_killed|killed'
    say "its verdict: $(told_of_its_end | grep -Eo '"highwater.exit.(verdict|confidence)","value":\{"stringValue":"[a-z_]+"' | cut -d '"' -f 8 | paste -sd ' ')"
    trace=$(told_of_its_end | grep -Eo '"highwater.previous_episode.id","value":\{"stringValue":"[0-9a-f]{32}"' | grep -Eo '[0-9a-f]{32}' | head -n 1) || fail "it names no episode"
    within 30 "Jaeger has the end in the trace of the run that is over, $trace" jaeger_has 'memory episode killed'
}

clean_up() {
    local code=$?
    if ((code != 0)); then compose logs --tail 30 >&2 || true; fi
    compose down --volumes --remove-orphans --timeout 10 >&2 || true
    docker rmi --force "$COLLECTOR_IMAGE" "$JAEGER_IMAGE" "$PROMETHEUS_IMAGE" "$DEMO_IMAGE" >/dev/null 2>&1 || true
    exit "$code"
}

run() {
    project=highwater-check-$$
    name_images "$1"
    trap clean_up EXIT
    make_images
    check
    say "PASSED"
}

case ${1:-} in
    --run) run "$2" ;;
    --private-engine) private_engine ;;
    '')
        find_engine
        find_parts
        trap forget_engine EXIT
        run_with_engine
        ;;
    *) fail "unknown argument '$1': give none" ;;
esac
