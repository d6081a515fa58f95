#!/bin/sh
# run.sh [--short]: everything that is tried against a Mesos master which somebody else started. docs/ci.md has the variables:
# MESOS_MASTER, and MESOS_TARGET where master, agents and their Docker are in one container.
# --short: the main story and a restarted master alone.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
logs=${MESOS_TARGET_KEEP:-$root/target-logs}
: "${MESOS_MASTER:?names the master, such as http://127.0.0.1:5050}"
export MESOS_MASTER

case "${1:-}" in
  '') suites='conformance e2e' ;;
  --short) suites='e2e/story e2e/restarted-master' ;;
  *) echo "run.sh: \"$1\" is not known; --short is" >&2; exit 2 ;;
esac

step() {
  started=$(date +%s)
  printf '\n== %s\n' "$1"
  shift
  if "$@"; then
    echo "== took $(($(date +%s) - started)) s"
  else
    status=$?
    "$here/keep-logs.sh" "$logs"
    exit "$status"
  fi
}

# An engine that cannot start the image is found out here, in the place of a cluster that never comes up. Node starts threads.
in_a_container() {
  set -- "$MESOS_JUPYTER_IMAGE" -e 'console.log("Node " + process.version + " runs there")'
  IFS=';'
  for parameter in ${MESOS_JUPYTER_TEST_DOCKER_PARAMETERS:-}; do set -- "--$parameter" "$@"; done
  unset IFS
  "$here/inside.sh" docker run --rm --network none --entrypoint /usr/bin/node "$@"
}

# shellcheck disable=SC2086 # a list of words
suites() {
  "$here/inside.sh" node "$root/dist/test/run.js" $suites
}

step "A master that leads, and ${MESOS_TARGET_AGENTS:-1} or more agents" \
  "$here/inside.sh" node "$root/dist/test/mesos/wait.js"
if [ -z "${MESOS_JUPYTER_IMAGE:-}" ]; then
  MESOS_JUPYTER_IMAGE=$(node "$root/dist/test/mesos/image.js")
fi
export MESOS_JUPYTER_IMAGE
step "The image $MESOS_JUPYTER_IMAGE" "$here/load-image.sh" "$MESOS_JUPYTER_IMAGE"
if [ -n "${MESOS_JUPYTER_TEST_IMAGE:-}" ]; then
  step "The image $MESOS_JUPYTER_TEST_IMAGE" "$here/load-image.sh" "$MESOS_JUPYTER_TEST_IMAGE"
fi
step "A container of $MESOS_JUPYTER_IMAGE in the target" in_a_container
step "Suites: $suites" suites
