#!/usr/bin/env bash
# Writes anew everything that is made of the tables of commands, settings, errors and metrics. Tests compare.
set -euo pipefail
cd "$(dirname "$0")/.."
kss() { node --import tsx src/main.ts "$@"; }
kss options --example >config/koji-staging-sync.toml
kss errors --markdown >docs/errors.md
kss metrics >docs/metrics.md
kss manual >man/koji-staging-sync.1
for shell in bash zsh fish; do kss completion "$shell" >"completions/koji-staging-sync.$shell"; done
