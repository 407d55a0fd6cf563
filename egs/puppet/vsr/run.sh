#!/usr/bin/env bash
# Puppet, visual speech recognition: from nothing to RESULTS.md. The corpus is rendered here.
#
#   stage 1  render the corpus, manifests      5  average the last epochs (average > 0)
#   stage 2  mouth crops                       6  decode
#   stage 3  tokens                            7  score, RESULTS.md
#   stage 4  train
#
# Options: --train N --dev N --test N (clips)  --minutes M (of training)  --config YAML  --work DIR (data and run go there)
#          --average N  --beam N  --stage N  --stop-stage N  --nj N
# Example: egs/puppet/vsr/run.sh --train 40 --minutes 1

set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
venv=$(realpath -m "${VENV:-$top/.venv}")
here=$top/egs/puppet/vsr
config=$here/conf/tiny.yaml work=$here train=40 dev=4 test=6 minutes=1 average=0 beam=4
stage=0 stop_stage=7 nj=2
options="config work train dev test minutes average beam stage stop_stage nj"
. "$top/tools/recipe.sh"
parse_options "$@"
export PATH="$venv/bin:$PATH"
config=$(realpath "$config")
mkdir -p "$work" && cd "$work"
work=exp data_marks=data/.done puppets=data/puppet crops=data/crops run=exp/puppet

crop_all() {
    local list
    for list in train dev test; do vsr crop --manifest $puppets/$list.jsonl --out $crops/$list --jobs "$nj"; done
}
train_model() {
    local resume=()
    [ ! -f $run/last.pt ] || resume=(--resume)
    vsr train --config "$config" --out $run "${resume[@]}" --set trainer.max_minutes="$minutes"
}
average_epochs() {
    [ "$average" = 0 ] || vsr average --exp $run --last "$average" --out $run/model
}
decode_all() {
    vsr decode --model $run/model --manifest $crops/dev/manifest.jsonl --out $run/dev.jsonl --beam "$beam" --calibrate
    vsr decode --model $run/model --manifest $crops/test/manifest.jsonl --out $run/test.jsonl --beam "$beam"
}
score_all() {
    vsr score --ref $puppets/test.jsonl --hyp $run/test.jsonl --json $run/result/test.json --tsv $run/result/test.tsv
    vsr results --run $run --command "egs/puppet/vsr/run.sh $*" --out RESULTS.md
}

run_stage 1 "render the corpus" \
    vsr prepare puppet --out $puppets --train "$train" --dev "$dev" --test "$test" --jobs "$nj"
run_stage 2 "mouth crops" crop_all
run_stage 3 "tokens" vsr tokens --manifest $puppets/train.jsonl --kind char --out data/tokens
run_stage 4 "train" train_model
run_stage 5 "average" average_epochs
run_stage 6 "decode" decode_all
run_stage 7 "score" score_all "$@"
log "figures: $PWD/RESULTS.md"
