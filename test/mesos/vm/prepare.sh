#!/bin/sh
# prepare.sh: makes a fresh AlmaLinux 8, which has cgroup v1, a machine that mesos-mini.sh runs on: Docker, Node.js 20, this project
# built. As root.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)

# Lima's clock and network are there at once; names may not be resolved yet.
dnf install -y dnf-plugins-core tar util-linux
dnf config-manager --add-repo https://download.docker.com/linux/centos/docker-ce.repo
dnf module enable -y nodejs:20
dnf install -y docker-ce docker-ce-cli containerd.io nodejs npm
# The iptables of 2017 in the image wants these of the kernel, and cannot load them from in there.
modprobe -a ip_tables iptable_nat iptable_filter
systemctl enable --now docker
# The image of the nodes is built before the Mesos is there.
cd "$root"
npm ci
