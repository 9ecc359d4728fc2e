#!/usr/bin/env bash
# The loop with an installed wheel, from a fresh home and folder, without a network:
#   tools/smoke_test.sh ENVIRONMENT
set -euo pipefail
groundtune="$(cd "$1" && pwd)/bin/groundtune"
app="$(cd "$(dirname "$0")" && pwd)/smoke_app.py"
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT
cd "$place"
cat > loop.sh <<EOF
set -euo pipefail
export PYTHONSAFEPATH=1
"$groundtune" doctor --json > doctor.json
"$groundtune" recipes list --json > recipes.json
"$groundtune" plan rlhf-v-5.7k --json > plan.json
"$groundtune" schema train > train.schema.json
"$groundtune" sample --model world:base --prompts world:12 --n 1 --out run
"$groundtune" label --answers run
ip link set lo up 2>/dev/null || true
"${groundtune%groundtune}python" "$app" "$groundtune" run
"$groundtune" pairs --corrections run
"$groundtune" train world-dpo pairs=run max_steps=1 batch_size=2 --out tuned
"$groundtune" bench run tuned/model world --n 4 --out scores
"$groundtune" report scores
test -s scores/report.html
EOF
# A network of its own, with nothing in it; elsewhere addresses that don't answer.
clean=(env -i HOME="$place/home" PATH=/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8)
if unshare -rn true 2>/dev/null; then
    "${clean[@]}" unshare -rn bash loop.sh
else
    "${clean[@]}" HTTPS_PROXY=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 HF_HUB_OFFLINE=1 bash loop.sh
fi
echo "the installed wheel works without a network"
