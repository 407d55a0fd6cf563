#!/usr/bin/env bash
# GRID, lip to speech: what each part is worth. After stage 3 of run.sh, trains small variants for equally long, two at a
# time with one thread each, and measures them on the test list with equal settings.
#
#   stage 1  acoustic models: as flow.yaml says, and without units
#   stage 2  vocoders: as vocoder.yaml says, and of mel alone
#   stage 3  figures on the test list: of these pairs; of the models of whole runs (--runs); of steps and guidance
#
# Options: --minutes M  --runs "NAME ..."  --clips N  --stage N  --stop-stage N
# Example: egs/grid/lip2speech/ablations.sh --minutes 10

set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
venv=$(realpath -m "${VENV:-$top/.venv}")
here=$top/egs/grid/lip2speech
minutes=10 runs="flow" clips=100 stage=1 stop_stage=3
options="minutes runs clips stage stop_stage"
. "$top/tools/recipe.sh"
parse_options "$@"
export PATH="$venv/bin:$PATH"
cd "$top/egs/grid/vsr" # the manifests' paths are relative to it
work=$here/exp/ablations features=$here/data/features
test_list=data/crops/test_s1/manifest.jsonl
mkdir -p "$work"

# train VERB CONFIG NAME SETTING...
train() {
    local verb=$1 config=$here/conf/$2.yaml out=$work/$3
    shift 3
    lip2speech "$verb" --config "$config" --out "$out" --set trainer.max_minutes="$minutes" trainer.threads=1 "$@" \
        2>"$out.log" || die "$out: training failed: see $out.log" 1
}
acoustic_models() {
    train train flow units data.views=2 & # looking at the clips costs more than learning from them
    train train flow no_units data.views=2 model.units=0
    wait $!
}
vocoders() {
    train vocoder vocoder vocoder_units &
    train vocoder vocoder vocoder_mel_alone model.units=0
    wait $!
}
# figures NAME OPTION...
figures() {
    "$venv/bin/python" "$top/tools/bench/flow.py" --manifest "$test_list" --features "$features" --clips "$clips" \
        --json "$work/$1.json" "${@:2}"
}
measure() {
    local run models=()
    for run in $runs; do models+=("$here/exp/$run/model"); done
    figures runs --steps 0 4 --guidance 1 --acoustic "${models[@]}"
    figures vocoder_units --steps 4 --guidance 1 --acoustic "$work/units/model" --vocoder "$work/vocoder_units/model"
    # Without units there is nothing for a vocoder of units to hear.
    figures vocoder_mel_alone --steps 4 --guidance 1 --acoustic "$work"/{units,no_units}/model \
        --vocoder "$work/vocoder_mel_alone/model"
    figures steps
}

run_stage 1 "acoustic models, $minutes minutes each" acoustic_models
run_stage 2 "vocoders, $minutes minutes each" vocoders
run_stage 3 "figures" measure
