# Sourced by the scripts that start a Mesos in a container: $MESOS_TARGET is its name, and it goes with the script.
# shellcheck shell=sh disable=SC2154 # $here is set by who sources this
root=$(cd "$here/../.." && pwd)
# The whole path: where tests run, `docker` is the target's own (inside.sh).
# shellcheck disable=SC2034 # for who sources this
outer_docker=$(command -v docker)

# What a script that was killed has left: names end with the process that made them.
for left in $(docker ps --all --format '{{.Names}}' --filter name=mesos-jupyter-test-mesos-); do
  kill -0 "${left##*-}" 2> /dev/null || docker rm --force --volumes "$left" > /dev/null
done

MESOS_TARGET=mesos-jupyter-test-mesos-$$
trap 'docker rm --force --volumes "$MESOS_TARGET" > /dev/null 2>&1 || true' EXIT
trap 'exit 130' INT TERM HUP

export MESOS_TARGET
export MESOS_MASTER=http://127.0.0.1:5050
export MESOS_TARGET_KEEP="${MESOS_TARGET_KEEP:-$root/target-logs}"
export MESOS_JUPYTER_TEST_SHARED=/var/lib/shared
