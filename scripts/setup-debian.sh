#!/usr/bin/env bash
# Installs the Debian packages that the tests and the benchmarks use, those that are missing only, and
# says what it did. Where nothing can be installed it says what is missing and leaves the verdict to
# the tests that need it.
set -euo pipefail

# command:package. bubblewrap contains what kernels start. The tests read the process table with ps; the
# README unpacks with tar and git; bench/ runs its peers on redis-server (BullMQ), nats-server and podman; test/netns
# makes networks; the page that verifies is opened in chromium, and kernels live an hour off under faketime.
NEEDED=(git:git ps:procps tar:tar bwrap:bubblewrap cc:gcc redis-server:redis-server
  ip:iproute2 nft:nftables nats-server:nats-server podman:podman runc:runc
  chromium:chromium faketime:faketime)

missing=()
for pair in "${NEEDED[@]}"; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing+=("${pair##*:}")
  # The compiler alone has no headers.
  [ "$pair" != cc:gcc ] || [ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
done

if [ "${#missing[@]}" -eq 0 ]; then
  echo "setup:debian: nothing to install"
  exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "setup:debian: this is not Debian; install by hand: ${missing[*]}" >&2
  exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "setup:debian: not root; run: sudo apt-get install ${missing[*]}" >&2
    exit 0
  fi
  as_root=(sudo -n)
fi

export DEBIAN_FRONTEND=noninteractive
# A package that starts its service would leave a server running that no test asked for.
policy=/usr/sbin/policy-rc.d
placed_policy=no
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
  placed_policy=yes
fi
cleanup() { [ "$placed_policy" = no ] || "${as_root[@]}" rm -f "$policy"; }
trap cleanup EXIT

"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "setup:debian: installed ${missing[*]}"
