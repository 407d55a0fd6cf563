#!/usr/bin/env bash
# GRID, lip to speech: what each part is worth. After stage 3 of run.sh, trains small variants for equally long, two at a
# time with one thread each, and measures them on the test list with equal settings.
#
#   stage 1  acoustic models: as shipped, without units, encoder fine-tuned, sound left as it was recorded
#   stage 2  vocoders: as shipped, of mel alone
#   stage 3  figures: exp/ablations/*.json
#
# Options: --minutes M  --clips N  --stage N  --stop-stage N
# Example: egs/grid/lip2speech/ablations.sh --minutes 10

set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
venv=$(realpath -m "${VENV:-$top/.venv}")
here=$top/egs/grid/lip2speech
minutes=10 clips=100 stage=1 stop_stage=3
options="minutes clips stage stop_stage"
. "$top/tools/recipe.sh"
parse_options "$@"
export PATH="$venv/bin:$PATH"
cd "$top/egs/grid/vsr" # the manifests' paths are relative to it
work=$here/exp/ablations recorded=$here/data/features_recorded features=$here/data/features
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
    local few=(data.views=2) # looking at the clips costs more than learning from them
    lip2speech features --manifest data/crops/{train,puppet_train,dev}/manifest.jsonl --jobs 2 \
        --units "$here/data/units.safetensors" --out "$recorded"
    train train flow shipped "${few[@]}" &
    train train flow no_units "${few[@]}" model.units=0
    wait $!
    train train flow tuned model.encoder=finetuned &
    train train flow recorded "${few[@]}" data.features="$recorded"
    wait $!
}
vocoders() {
    train vocoder vocoder units &
    train vocoder vocoder mel_alone model.units=0
    wait $!
}
# figures NAME OPTION...
figures() {
    "$venv/bin/python" "$top/tools/bench/flow.py" --manifest "$test_list" --features "$features" --clips "$clips" \
        --json "$work/$1.json" "${@:2}"
}
measure() {
    figures steps
    figures acoustic --steps 4 --guidance 1 --acoustic "$work"/{shipped,no_units,tuned,recorded}/model
    figures vocoder_units --steps 4 --guidance 1 --vocoder "$work/units/model"
    figures vocoder_mel_alone --steps 4 --guidance 1 --vocoder "$work/mel_alone/model"
}

run_stage 1 "acoustic models, $minutes minutes each" acoustic_models
run_stage 2 "vocoders, $minutes minutes each" vocoders
run_stage 3 "figures" measure
