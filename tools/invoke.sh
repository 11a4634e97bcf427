#!/usr/bin/env bash
# Runs a function that `make build` packaged in Lambda's container, with one event. While `make emulator` runs, it
# works on the stack there; otherwise it knows no tables and no queues.
#
#   tools/invoke.sh query events/query/health.json [options of `sam local invoke`]
set -euo pipefail
cd "$(dirname "$0")/.."

function=$1
event=$2
shift 2
[ -x "target/lambda/$function/bootstrap" ] || { echo "target/lambda/$function is not there: \`make build\`" >&2; exit 1; }
resource=$(awk -v wanted="target/lambda/$function/" \
  '/^  [A-Za-z]+:$/ { id = $1 } $1 == "CodeUri:" && $2 == wanted { sub(":", "", id); print id }' template.yaml)
[ -n "$resource" ] || { echo "template.yaml has no function $function" >&2; exit 1; }

template=template.yaml
options=()
run=()
if [ -f target/emulator/invoke.json ]; then
  template=target/emulator/invoke.yaml
  endpoint=$(sed -n 's/^ *AWS_ENDPOINT_URL: //p' target/emulator/invoke.yaml)
  options=(--env-vars target/emulator/invoke.json --add-host host.docker.internal:host-gateway)
  run=("$PWD/.venv/bin/python" infra/localstack/reach.py "${endpoint##*:}")
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_SESSION_TOKEN=test
fi
architecture=$(readlink target/lambda)
export AWS_DEFAULT_REGION=${AWS_DEFAULT_REGION:-us-east-1} SAM_CLI_TELEMETRY=0
exec "${run[@]}" sam local invoke "$resource" --template "$template" --event "$event" \
  --parameter-overrides "Architecture=${architecture#lambda-}" "${options[@]}" "$@"
