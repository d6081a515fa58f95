#!/bin/sh
# mesos-mini.sh [--short]: run.sh against Apache's mesos/mesos-mini: Mesos, Marathon and a Docker 17.12 in one container. Needs a
# machine with cgroup v1 (docs/ci.md says why, and where to have one), and root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=target.sh
. "$here/target.sh"
image=${MESOS_MINI_IMAGE:-mesos/mesos-mini}

[ ! -f /sys/fs/cgroup/cgroup.controllers ] || {
  echo 'mesos-mini.sh: this machine has cgroup v2 alone, which mesos/mesos-mini cannot use: see docs/ci.md' >&2
  exit 1
}
# Its Docker is set to vfs, where each container takes twice the image's size; on a volume it can have overlay2.
docker run --detach --name "$MESOS_TARGET" --privileged --volume /var/lib/docker \
  --volume "$here/docker-daemon.json:/etc/docker/daemon.json:ro" "$image" > /dev/null

export MESOS_TARGET_WAIT_S=300
export MESOS_TARGET_LOGS='journalctl --no-pager -u mesos-master -u mesos-slave -u docker -u marathon'
export MESOS_JUPYTER_TEST_RESTART_MASTER="$outer_docker exec $MESOS_TARGET systemctl restart mesos-master"
# Its tasks need a shell, and there is no Debian here to make an image with one of.
export MESOS_JUPYTER_TEST_IMAGE="${MESOS_JUPYTER_TEST_IMAGE:-busybox:1.37}"
# Docker before 20.10.10 answers clone3 with EPERM: neither Node nor Python of Debian 13 can start a thread.
export MESOS_JUPYTER_TEST_DOCKER_PARAMETERS='security-opt=seccomp=unconfined'
"$here/run.sh" "$@"
