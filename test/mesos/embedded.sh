#!/bin/sh
# embedded.sh [--short]: run.sh against the embedded Mesos in a container of its own, which has its own Docker inside: nothing of
# this machine's images and networks is seen in there. What mesos-mini.sh and clusterd.sh do with a real one, with none to pull.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=target.sh
. "$here/target.sh"

image=$(node "$root/dist/test/mesos/embedded/image.js")

# --privileged asks for every capability; the engine refuses where the machine itself lacks one (CAP_SYS_RESOURCE is bit 24).
bounds=$(awk '/^CapBnd/ { print $2 }' /proc/self/status)
if [ $((0x$bounds >> 24 & 1)) = 1 ]; then
  rights=--privileged
else
  rights='--cap-add ALL --cap-drop SYS_RESOURCE --security-opt seccomp=unconfined --security-opt apparmor=unconfined
    --security-opt systempaths=unconfined'
fi
# shellcheck disable=SC2086 # a list of words
docker run --detach --name "$MESOS_TARGET" $rights --device-cgroup-rule 'a *:* rwm' \
  --volume "$root:/mesos-jupyter:ro" "$image" > /dev/null

export MESOS_TARGET_LOGS='cat /var/log/dockerd.log'
export MESOS_JUPYTER_TEST_RESTART_MASTER="$outer_docker kill --signal HUP $MESOS_TARGET"
"$here/run.sh" "$@"
