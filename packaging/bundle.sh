#!/usr/bin/env bash
# Makes koji-staging-sync-VERSION-linux-ARCH.tar.gz: the program with all that it needs but Node, for hosts without npm.
# Usage: packaging/bundle.sh [DIRECTORY FOR THE RESULT]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=$(cd "${1:-$root}" && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

cd "$root"
version=$(node -p 'require("./package.json").version')
name=koji-staging-sync-$version
npm pack --silent --pack-destination "$stage" >/dev/null
mkdir "$stage/$name"
tar -xzf "$stage/$name.tgz" -C "$stage/$name" --strip-components=1
cp package-lock.json "$stage/$name/"
(cd "$stage/$name" && npm ci --omit=dev --silent)
tar -czf "$out/$name-linux-$(node -p process.arch).tar.gz" -C "$stage" --owner=0 --group=0 "$name"
echo "$out/$name-linux-$(node -p process.arch).tar.gz"
