#!/usr/bin/env bash
# Builds every function for Lambda's runtime (provided.al2023, glibc 2.34) into target/lambda-<architecture>/, and
# points target/lambda, which template.yaml deploys from, at the first architecture that was built.
#
#   tools/package-lambdas.sh          for every architecture that this toolchain has a standard library for
#   tools/package-lambdas.sh arm64    only for this one, and it is an error when it cannot be built
#
# The same sources and versions of the tools give the same bytes: dependencies as locked, one unit of code
# generation, no path of this machine in what is built.
set -euo pipefail
cd "$(dirname "$0")/.."

functions=()
packages=()
for folder in functions/*/; do
  functions+=("$(basename "$folder")")
  packages+=(--package "postrider-$(basename "$folder")")
done

root=$PWD
cargo_home=${CARGO_HOME:-$HOME/.cargo}
sysroot=$(rustc --print sysroot)
maps=("$root=/postrider" "$cargo_home=/cargo" "$sysroot=/rust" "${CARGO_TARGET_DIR:-$root/target}=/target")
export RUSTFLAGS="${maps[*]/#/--remap-path-prefix=}"
export CFLAGS="${maps[*]/#/-ffile-prefix-map=}"
export CXXFLAGS=$CFLAGS
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 315532800)
export SOURCE_DATE_EPOCH

architectures=("$@")
[ $# -gt 0 ] || architectures=(arm64 x86_64)
built=()
for architecture in "${architectures[@]}"; do
  case "$architecture" in
    arm64) target=aarch64-unknown-linux-gnu ;;
    x86_64) target=x86_64-unknown-linux-gnu ;;
    *) echo "unknown architecture $architecture: arm64 or x86_64" >&2; exit 2 ;;
  esac
  if [ ! -d "$(rustc --print target-libdir --target "$target")" ]; then
    echo "$architecture is skipped: this Rust has no standard library for $target; \`rustup target add $target\` adds it" >&2
    [ $# -eq 0 ] || exit 1
    continue
  fi
  cargo lambda build --locked --profile function --target "$target.2.34" \
    --lambda-dir "target/lambda-$architecture" "${packages[@]}"
  built+=("$architecture")
done
[ "${#built[@]}" -gt 0 ] || { echo "nothing was built" >&2; exit 1; }

rm -rf target/lambda
ln -s "lambda-${built[0]}" target/lambda
printf '\n%-18s' function
printf '%12s' "${built[@]}"
printf '\n'
for function in "${functions[@]}"; do
  printf '%-18s' "$function"
  for architecture in "${built[@]}"; do
    printf '%9.2f MB' "$(wc -c < "target/lambda-$architecture/$function/bootstrap")e-6"
  done
  printf '\n'
done
echo "target/lambda is for ${built[0]}"
