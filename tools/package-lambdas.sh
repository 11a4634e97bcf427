#!/usr/bin/env bash
# Builds every function for Lambda's runtime (provided.al2023, glibc 2.34) into target/lambda-<architecture>/, and
# points target/lambda, which template.yaml deploys from, at the first architecture that was built.
#
#   tools/package-lambdas.sh          for every architecture that this toolchain has a standard library for
#   tools/package-lambdas.sh arm64    only for this one, and it is an error when it cannot be built
#   tools/package-lambdas.sh arm64 ingest query    only these functions of it
#
# The same sources and versions of the tools give the same bytes, in whichever folder: dependencies as locked, one
# unit of code generation, no path of this machine in what is built, and the features of all functions' dependencies
# together, also when only some functions are built. The table at the end has the digests to compare.
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
# The same in UTC, and then taken for local time, which is what a zip file has.
stamp=$(TZ=UTC git log -1 --date=format-local:%Y%m%d%H%M.%S --format=%cd 2>/dev/null || echo 198001010000)

architectures=("${@:1:1}")
[ $# -gt 0 ] || architectures=(arm64 x86_64)
binaries=()
if [ $# -gt 1 ]; then
  functions=("${@:2}")
  for function in "${functions[@]}"; do
    [ -d "functions/$function" ] || { echo "there is no function $function" >&2; exit 2; }
    binaries+=(--bin "$function")
  done
fi
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
    --lambda-dir "target/lambda-$architecture" "${packages[@]}" "${binaries[@]}"
  # What packs it, writes down when it was changed.
  for function in "${functions[@]}"; do
    touch -t "$stamp" "target/lambda-$architecture/$function/bootstrap"
  done
  built+=("$architecture")
done
[ "${#built[@]}" -gt 0 ] || { echo "nothing was built" >&2; exit 1; }

rm -rf target/lambda
ln -s "lambda-${built[0]}" target/lambda
printf '\n%-8s  %-18s%12s  %s\n' for function size SHA-256
for architecture in "${built[@]}"; do
  for function in "${functions[@]}"; do
    program=target/lambda-$architecture/$function/bootstrap
    digest=$(sha256sum "$program" 2>/dev/null || shasum -a 256 "$program")
    printf '%-8s  %-18s%9.2f MB  %s\n' "$architecture" "$function" "$(wc -c < "$program")e-6" "${digest%% *}"
  done
done
echo "target/lambda is for ${built[0]}"
