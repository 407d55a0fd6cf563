#!/usr/bin/env bash
# LRS2, visual speech recognition: from the corpus to RESULTS.md.
#
#   stage 0  check the corpus                         4  train, short clips first
#   stage 1  manifests, every video looked at once    5  average the last epochs
#   stage 2  mouth crops                              6  decode
#   stage 3  tokens                                   7  score, RESULTS.md
#
# Options: --corpus DIR (the folder with main and pretrain)
#          --lists DIR (train.txt, val.txt, test.txt, pretrain.txt; without it they are looked for beside the folders)
#          --hours 28|223 (of training: main alone, or pretrain too)
#          --config YAML  --first YAML (for the short clips; none: train on all from the start)  --name RUN
#          --size N (of the tokens)  --average N  --beam N  --ctc-weight W  --work DIR (data and runs go there)
#          --stage N  --stop-stage N  --nj N  --gpus N
# Example: egs/lrs2/vsr/run.sh --corpus LRS2/mvlrs_v1 --nj 16 --gpus 8

set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
venv=$(realpath -m "${VENV:-$top/.venv}")
here=$top/egs/lrs2/vsr
# The training recipe is that of LRS3.
corpus="" lists="" hours=223 dev="" config=$top/egs/lrs3/vsr/conf/published.yaml
first=$top/egs/lrs3/vsr/conf/published_short.yaml name="" size=5000 average=10 beam=40 ctc_weight=0.1 work=$here
stage=0 stop_stage=7 nj=8 gpus=1
options="corpus lists hours config first name size average beam ctc_weight work stage stop_stage nj gpus"
. "$top/tools/recipe.sh"
. "$top/tools/lrs.sh"
parse_options "$@"
[ "$first" != none ] || first=""
for path in corpus lists config first; do [ -z "${!path}" ] || printf -v $path '%s' "$(realpath -m "${!path}")"; done
export PATH="$venv/bin:$PATH"
mkdir -p "$work" && cd "$work"
run=exp/${name:-$(basename "$config" .yaml)_${hours}h}
case $hours in 28) train_list=train ;; *) train_list=train_all ;; esac
work=$run data_marks=data/.done manifests=data/manifests crops=data/crops tokens=data/tokens

check_corpus() {
    [ -n "$corpus" ] || die "give the folder of LRS2 with --corpus"
    [ -d "$corpus/main" ] || [ -d "$corpus/mvlrs_v1/main" ] || die "$corpus has no folder main: it is not LRS2"
    case $hours in 28 | 223) ;; *) die "--hours is 28 or 223, not $hours" ;; esac
    [ -f "$config" ] || die "no configuration $config"
}
make_manifests() {
    vsr prepare lrs2 --corpus "$corpus" ${lists:+--lists "$lists"} --out $manifests
    check_videos
}

run_stage 0 "check the corpus" check_corpus
run_stage 1 "manifests of LRS2" make_manifests
run_stage 2 "mouth crops" crop_all
run_stage 3 "tokens" make_tokens
run_stage 4 "train $run" train_all
run_stage 5 "average" average_epochs
run_stage 6 "decode" decode_all
run_stage 7 "score" score_all egs/lrs2/vsr/run.sh "$@"
log "figures: $PWD/RESULTS.md"
