#!/bin/sh
# clusterd.sh [--short]: run.sh against avhost/mesos-mini: clusterd, the living fork of Mesos, with ZooKeeper and a Docker 28 in one
# container. Needs cgroup v2, and root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=target.sh
. "$here/target.sh"
image=${MESOS_MINI_IMAGE:-avhost/mesos-mini:v1.11.0-0.8.0}

# The command as its README has it: the image's own looks for cgroup v1. Its Docker is set to vfs, where each container takes twice
# the image's size; on a volume it can have overlay2.
docker run --detach --name "$MESOS_TARGET" --privileged --cgroupns private --volume /var/lib/docker \
  --volume "$here/docker-daemon.json:/etc/docker/daemon.json:ro" "$image" /lib/systemd/systemd > /dev/null

export MESOS_TARGET_WAIT_S=300
export MESOS_TARGET_LOGS='journalctl --no-pager -u mesos-master -u mesos-agent -u docker -u zookeeper'
export MESOS_JUPYTER_TEST_RESTART_MASTER="$outer_docker exec $MESOS_TARGET systemctl restart mesos-master"
"$here/run.sh" "$@"
