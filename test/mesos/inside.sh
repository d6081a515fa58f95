#!/bin/sh
# inside.sh COMMAND...: runs a command of this machine where the Mesos under test is at home. With MESOS_TARGET, a container:
# in its network, `docker` being the Docker inside of it. Without: right here, with the engine that DOCKER_HOST names.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

[ -n "${MESOS_TARGET:-}" ] || exec "$@"

# Within itself, it is there already.
if [ -n "${MESOS_TARGET_OUTER_DOCKER:-}" ]; then exec "$@"; fi
MESOS_TARGET_OUTER_DOCKER=$(command -v docker)
pid=$("$MESOS_TARGET_OUTER_DOCKER" inspect --format '{{.State.Pid}}' "$MESOS_TARGET")
PATH="$here/bin:$PATH"
export MESOS_TARGET MESOS_TARGET_OUTER_DOCKER PATH
exec nsenter --net="/proc/$pid/ns/net" -- "$@"
