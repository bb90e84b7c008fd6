# Sourced: numbered steps with elapsed time on the screen and their output in a log.
#
# start_step runs a command in the background, wait_steps waits for all that run. A step that
# fails stops the rest and is told in its own sentence ("acd: ..."), or in ours below the last
# lines of its log.

steps_total=0
steps_started=0
heartbeat_seconds=10
declare -A step_title step_pid step_began

steps_begin() {
    steps_total=$1
    # A folder of its own: two clones may be set up at once.
    steps_log="$cache/log/$2-$(date +%Y%m%d-%H%M%S)-$$"
    mkdir -p "$steps_log" || fail "The cache folder $cache can't be written: set ACD_CACHE_DIR to one that can."
    find "$cache/log" -mindepth 1 -maxdepth 1 -mtime +7 -exec rm -rf {} +
    trap 'stop_steps; exit 130' INT TERM
}

start_step() {
    local number=$((++steps_started)) title=$1
    shift
    step_title[$number]="[$number/$steps_total] $title"
    step_began[$number]=$SECONDS
    echo "${step_title[$number]} ..."
    # A process group of its own, so that stopping a step stops all that it started.
    set -m
    (set +e; (set -e; "$@"); echo $? >"$steps_log/$number.rc") >"$steps_log/$number.log" 2>&1 </dev/null &
    set +m
    step_pid[$number]=$!
}

wait_steps() {
    local next_beat=$((SECONDS + heartbeat_seconds)) number
    while [ ${#step_pid[@]} -gt 0 ]; do
        for number in "${!step_pid[@]}"; do
            # A step that was killed from outside leaves no exit code.
            if [ -s "$steps_log/$number.rc" ] || ! kill -0 "${step_pid[$number]}" 2>/dev/null; then
                _finish_step "$number"
            fi
        done
        [ ${#step_pid[@]} -eq 0 ] || sleep 0.1
        if [ $SECONDS -ge $next_beat ]; then
            _heartbeat
            next_beat=$((SECONDS + heartbeat_seconds))
        fi
    done
}

run_step() {
    start_step "$@"
    wait_steps
}

stop_steps() {
    local number
    for number in "${!step_pid[@]}"; do
        kill -- "-${step_pid[$number]}" 2>/dev/null || true
    done
}

_finish_step() {
    local number=$1 rc
    rc=$(cat "$steps_log/$number.rc" 2>/dev/null || echo killed)
    unset "step_pid[$number]"
    if [ "$rc" != 0 ]; then
        stop_steps
        _explain_failure "$number"
        exit 1
    fi
    echo "${step_title[$number]}: done, $((SECONDS - step_began[$number])) s"
    # A step may succeed with a remark, as when it falls back on what is cached.
    grep '^acd: ' "$steps_log/$number.log" || true
}

_heartbeat() {
    local number
    for number in "${!step_pid[@]}"; do
        echo "${step_title[$number]}: $((SECONDS - step_began[$number])) s so far"
    done
}

_explain_failure() {
    local log=$steps_log/$1.log
    echo "${step_title[$1]}: failed after $((SECONDS - step_began[$1])) s" >&2
    echo "All that it printed is in $log" >&2
    if ! grep '^acd: ' "$log" >&2; then
        tail -n 15 "$log" >&2
        say "This step failed without a word of its own: the lines above say why; repair it and run make again."
    fi
}
