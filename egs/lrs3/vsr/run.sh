#!/usr/bin/env bash
# LRS3, visual speech recognition: from the corpus to RESULTS.md.
#
#   stage 0  check the corpus                         4  train, short clips first
#   stage 1  manifests, every video looked at once    5  average the last epochs
#   stage 2  mouth crops                              6  decode
#   stage 3  tokens                                   7  score, RESULTS.md
#
# Options: --corpus DIR (the folder with pretrain, trainval, test)
#          --lists DIR (lrs3-valid.id of AV-HuBERT; without it the validation clips are drawn by a seed)
#          --hours 30|433|438 (of training; 438 holds nothing back, so it needs --dev, another cropped manifest)
#          --config YAML  --first YAML (for the short clips; none: train on all from the start)  --name RUN
#          --size N (of the tokens)  --average N  --beam N  --ctc-weight W  --work DIR (data and runs go there)
#          --stage N  --stop-stage N  --nj N  --gpus N
# Example: egs/lrs3/vsr/run.sh --corpus LRS3 --lists LISTS --nj 16 --gpus 8

set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
venv=$(realpath -m "${VENV:-$top/.venv}")
here=$top/egs/lrs3/vsr
corpus="" lists="" hours=433 dev="" config=$here/conf/published.yaml first=$here/conf/published_short.yaml name=""
size=5000 average=10 beam=40 ctc_weight=0.1 work=$here stage=0 stop_stage=7 nj=8 gpus=1
options="corpus lists hours dev config first name size average beam ctc_weight work stage stop_stage nj gpus"
. "$top/tools/recipe.sh"
. "$top/tools/lrs.sh"
parse_options "$@"
[ "$first" != none ] || first=""
for path in corpus lists dev config first; do [ -z "${!path}" ] || printf -v $path '%s' "$(realpath -m "${!path}")"; done
export PATH="$venv/bin:$PATH"
mkdir -p "$work" && cd "$work"
run=exp/${name:-$(basename "$config" .yaml)_${hours}h}
work=$run data_marks=data/.done manifests=data/manifests crops=data/crops tokens=data/tokens train_list=train_${hours}h

check_corpus() {
    [ -n "$corpus" ] || die "give the folder of LRS3 with --corpus"
    [ -d "$corpus/trainval" ] && [ -d "$corpus/test" ] || die "$corpus has no folders trainval and test: it is not LRS3"
    case $hours in
        30) ;;
        433) [ -d "$corpus/pretrain" ] || die "$corpus has no folder pretrain: use --hours 30" ;;
        438) [ -n "$dev" ] || die "438 h hold nothing back, and the test list may not choose: give another list with --dev" ;;
        *) die "--hours is 30, 433 or 438, not $hours" ;;
    esac
    [ -f "$config" ] || die "no configuration $config"
}
make_manifests() {
    vsr prepare lrs3 --corpus "$corpus" ${lists:+--lists "$lists"} --out $manifests
    check_videos
}

run_stage 0 "check the corpus" check_corpus
run_stage 1 "manifests of LRS3" make_manifests
run_stage 2 "mouth crops" crop_all
run_stage 3 "tokens" make_tokens
run_stage 4 "train $run" train_all
run_stage 5 "average" average_epochs
run_stage 6 "decode" decode_all
run_stage 7 "score" score_all egs/lrs3/vsr/run.sh "$@"
log "figures: $PWD/RESULTS.md"
