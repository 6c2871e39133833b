#!/usr/bin/env bash
# Builds the simulator once for each mistake that is planted in the protocols and connection (`cfg(planted = ...)`, listed in
# the root Cargo.toml), and prints the first seed that shows it. Fails when a thousand seeds do not. Those of HTTP/2 begin with
# h2_, those of HTTP/3 with h3_, and they are looked for where clients speak that.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-target}/planted
mistakes=${*:-$(sed -nE 's/.*cfg\(planted, values\((.*)\)\).*/\1/p' Cargo.toml | tr -d '",')}
missed=0
printf '%-16s %s\n' mistake 'first seed'
for mistake in $mistakes; do
    worlds=world
    if [[ "$mistake" == h2_* ]]; then worlds=h2; fi
    if [[ "$mistake" == h3_* ]]; then worlds=quic; fi
    log=$target-$mistake.log
    mkdir -p "$(dirname "$log")"
    if RUSTFLAGS="--cfg planted=\"$mistake\"" "${CARGO:-cargo}" test --locked --target-dir "$target" -p trilane-sim \
        --test "$worlds" a_planted_mistake_is_found -- --ignored --nocapture > "$log" 2>&1; then
        printf '%-16s %s\n' "$mistake" "$(sed -n 's/^first seed: //p' "$log")"
    else
        printf '%-16s %s\n' "$mistake" "none: see $log"
        missed=1
    fi
done
exit "$missed"
