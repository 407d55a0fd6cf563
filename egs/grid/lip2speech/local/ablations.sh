#!/usr/bin/env bash
# GRID, lip to speech: what each part contributes. After stage 3 of run.sh, trains small variants for equally long, two at a
# time with one thread each, and measures them on the test list with equal settings.
#
#   stage 1  acoustic models: as flow.yaml says, and without units
#   stage 2  vocoders: as vocoder.yaml says, and of mel alone
#   stage 3  figures on the test list: of these pairs; of the models of whole runs (--runs); of steps and guidance
#
# Example: egs/grid/lip2speech/local/ablations.sh --minutes 10

set -euo pipefail
. "$(dirname "$0")/../path.sh"
. "$(dirname "$0")/../cmd.sh"
. "$top/tools/recipe.sh"
last_stage=3
declare_options <<'TABLE'
    minutes     X       10      of each training
    runs        NAMES   flow    whole runs to measure as well, exp/NAME, in one word: "A B"
    clips       N       100     of the test list
    work        DIR     .       data/ and exp/ of run.sh
TABLE
parse_options "$@"
begin_in "$work"
exp=exp/ablations features=data/features test_list=data/crops/test_s1/manifest.jsonl

# train VERB CONFIG NAME SETTING...
train() {
    local verb=$1 config=$here/conf/$2.yaml out=$exp/$3
    shift 3
    $cuda_cmd "$out/log/train.log" lip2speech "$verb" --config "$config" --out "$out" \
        --set trainer.max_minutes="$minutes" trainer.threads=1 "$@"
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
    $decode_cmd "$exp/log/$1.log" "$venv/bin/python" "$top/tools/bench/flow.py" --manifest "$test_list" \
        --features "$features" --clips "$clips" --json "$exp/$1.json" "${@:2}"
}
measure() {
    local run models=()
    for run in $runs; do models+=("exp/$run/model"); done
    figures runs --steps 0 4 --guidance 1 --acoustic "${models[@]}"
    figures vocoder_units --steps 4 --guidance 1 --acoustic "$exp/units/model" --vocoder "$exp/vocoder_units/model"
    # Without units there is nothing for a vocoder of units to hear.
    figures vocoder_mel_alone --steps 4 --guidance 1 --acoustic "$exp"/{units,no_units}/model \
        --vocoder "$exp/vocoder_mel_alone/model"
    figures steps
}

run_stage 1 "acoustic models, $minutes minutes each" acoustic_models
run_stage 2 "vocoders, $minutes minutes each" vocoders
run_stage 3 "figures" measure
finish "figures: $work/$exp"
