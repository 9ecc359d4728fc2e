#!/bin/sh
# What a container of Groundtune starts: the command that it is given; without one, the annotation
# app in a Hugging Face Space, and the help elsewhere. docs/annotate-teams.md describes the variables.
set -eu

if [ $# -gt 0 ]; then
    exec groundtune "$@"
fi
if [ -z "${SPACE_HOST:-}" ]; then
    exec groundtune --help
fi

project=${GROUNDTUNE_PROJECT:-/data/project}
backup=${GROUNDTUNE_BACKUP:-/opt/groundtune/project.zip}

if [ -f "$backup" ] && [ ! -e "$project" ]; then
    groundtune project restore "$backup" "$project"
fi
if ! groundtune people list "$project" 2>/dev/null | grep -q ", owner, logs in,"; then
    groundtune people add "$project" "${GROUNDTUNE_OWNER:-Owner}" --role owner
fi
unset GROUNDTUNE_PASSWORD

exec groundtune annotate "$project" --login --host 0.0.0.0 --port "${GROUNDTUNE_PORT:-7860}" \
    --url "https://$SPACE_HOST" --frames https://huggingface.co --proxies "${GROUNDTUNE_PROXIES:-1}"
