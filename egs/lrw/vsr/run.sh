#!/usr/bin/env bash
# LRW, words in the wild: which of 500 words a clip of 29 frames says, from the corpus to RESULTS.md.
#
#   stage 0  check the corpus                         4  train
#   stage 1  manifests, every video looked at once    5  average the last epochs (average > 0)
#   stage 2  mouth crops                              6  decode
#   stage 3  the list of words                        7  score, RESULTS.md
#
# Options: --corpus DIR (the folder with lipread_mp4, or with the folders of the words)
#          --boundary true|false (the model is told in which frames the word is said; published figures name which)
#          --config YAML  --name RUN  --average N  --work DIR (data and runs go there)
#          --stage N  --stop-stage N  --nj N  --gpus N
# Example: egs/lrw/vsr/run.sh --corpus LRW --boundary false --nj 16

set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
venv=$(realpath -m "${VENV:-$top/.venv}")
here=$top/egs/lrw/vsr
corpus="" boundary=true config=$here/conf/published.yaml name="" average=0 work=$here stage=0 stop_stage=7 nj=8 gpus=1
options="corpus boundary config name average work stage stop_stage nj gpus"
. "$top/tools/recipe.sh"
. "$top/tools/lrs.sh"
parse_options "$@"
for path in corpus config; do [ -z "${!path}" ] || printf -v $path '%s' "$(realpath -m "${!path}")"; done
case $boundary in true) side=boundary ;; *) side=no_boundary ;; esac
export PATH="$venv/bin:$PATH"
mkdir -p "$work" && cd "$work"
run=exp/${name:-$(basename "$config" .yaml)_$side}
work=$run data_marks=data/.done manifests=data/manifests crops=data/crops tokens=data/tokens train_list=train

check_corpus() {
    [ -n "$corpus" ] || die "give the folder of LRW with --corpus"
    [ -d "$corpus" ] || die "$corpus is no folder"
    case $boundary in true | false) ;; *) die "--boundary is true or false, not $boundary" ;; esac
    [ -f "$config" ] || die "no configuration $config"
}
make_manifests() {
    vsr prepare lrw --corpus "$corpus" --out $manifests
    check_videos
}
make_words() {
    vsr tokens --manifest $manifests/$train_list.jsonl --kind word --out $tokens --force
}
# Without the boundary, training clips begin and end anywhere around their word, as published.
train_words() {
    local trim=true
    [ "$boundary" = false ] || trim=false
    train_one "$config" "$run" "model.boundary=$boundary" "data.augmentation.trim=$trim"
}
decode_words() {
    local search=(--model "$run/model" --device "$(device)")
    vsr decode "${search[@]}" --manifest $crops/dev/manifest.jsonl --out "$run/dev.jsonl" --calibrate
    vsr decode "${search[@]}" --manifest $crops/test/manifest.jsonl --out "$run/test.jsonl"
}
score_words() {
    local list
    for list in dev test; do
        vsr score --accuracy --ref $manifests/$list.jsonl --hyp "$run/$list.jsonl" \
            --json "$run/result/$list.json" --tsv "$run/result/$list.tsv"
    done
    vsr results --run "$run" --command "egs/lrw/vsr/run.sh $*" --out RESULTS.md
}

run_stage 0 "check the corpus" check_corpus
run_stage 1 "manifests of LRW" make_manifests
run_stage 2 "mouth crops" crop_all
run_stage 3 "the list of words" make_words
run_stage 4 "train $run" train_words
run_stage 5 "average" average_epochs
run_stage 6 "decode" decode_words
run_stage 7 "score" score_words "$@"
log "figures: $PWD/RESULTS.md"
