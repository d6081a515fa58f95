#!/bin/sh
# keep-logs.sh DIRECTORY: what is to be known of a target after a failure, a file each. What cannot be had is passed over: one
# that is dead shall not hide the rest.
set -u
here=$(cd "$(dirname "$0")" && pwd)
directory=$1
mkdir -p "$directory"

keep() {
  name=$1
  shift
  timeout 60 "$@" > "$directory/$name" 2>&1 || echo "(\"$*\" ended with status $?)" >> "$directory/$name"
}

ask='fetch(process.argv[1], { signal: AbortSignal.timeout(10_000) }).then(async (answer) => console.log(await answer.text()))'
for endpoint in state slaves version; do
  keep "master-$endpoint.json" "$here/inside.sh" node -e "$ask" "$MESOS_MASTER/master/$endpoint"
done
keep containers.txt "$here/inside.sh" docker ps --all --no-trunc
keep networks.txt "$here/inside.sh" docker network ls
keep engine.txt "$here/inside.sh" docker info
# Mesos' own: the engine may have others' containers, too.
for container in $("$here/inside.sh" docker ps --all --quiet --filter 'name=^/?mesos-'); do
  keep "container-$container.log" "$here/inside.sh" docker logs --timestamps "$container"
done
if [ -n "${MESOS_TARGET:-}" ]; then
  keep target.log docker logs "$MESOS_TARGET"
  # The target's own words, by its own command; then the sandboxes of tasks, which outlive their containers.
  [ -z "${MESOS_TARGET_LOGS:-}" ] || keep services.log docker exec "$MESOS_TARGET" sh -c "$MESOS_TARGET_LOGS"
  keep sandboxes.txt docker exec "$MESOS_TARGET" \
    sh -c 'find /var/lib/mesos -type f \( -name stdout -o -name stderr \) -exec tail -n 40 {} +'
fi
echo "Logs of the target are in $directory"
