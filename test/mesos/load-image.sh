#!/bin/sh
# load-image.sh IMAGE: brings an image of this machine's Docker, which pulls it where it has none, into that of the target.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
image=$1

[ -n "${MESOS_TARGET:-}" ] || { echo "The engine here is the target's: $image needs no loading."; exit 0; }
if "$here/inside.sh" docker image inspect "$image" > /dev/null 2>&1; then
  echo "$image is in $MESOS_TARGET already."
  exit 0
fi
docker image inspect "$image" > /dev/null 2>&1 || docker pull "$image"
echo "Loading $image into $MESOS_TARGET"
docker save "$image" | docker exec -i "$MESOS_TARGET" docker load
