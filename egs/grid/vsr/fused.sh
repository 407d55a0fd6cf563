#!/usr/bin/env bash
# GRID, the shipped model from start to end: the reader of pixels, the reader of tracks of mouth points, and both as one.
#
#   stage 0  manifests of GRID and of the tracks, puppet clips   4  the reader of tracks
#   stage 1  mouth crops, and their tracks                       5  both as one
#   stage 2  tokens: characters for pixels, words for tracks     6  confidence, decode
#   stage 3  the reader of pixels, in three parts                7  score
#
# Options: --corpus DIR (the folder with s1, s2, ...)  --landmarks DIR (the folder with s1.npz, s2.npz, ...)
#          --stage N  --stop-stage N  --nj N
# About five hours on two cores, of which the pixels take three and the tracks two. A stopped training goes on.
# Example: egs/grid/vsr/fused.sh --corpus ../shared/data/grid --landmarks ../shared/data/landmarks

set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
venv=$(realpath -m "${VENV:-$top/.venv}")
corpus="" landmarks="" stage=0 stop_stage=7 nj=2
options="corpus landmarks stage stop_stage nj"
. "$top/tools/recipe.sh"
parse_options "$@"
[ -n "$corpus" ] && [ -n "$landmarks" ] || die "give --corpus and --landmarks; see --help"
corpus=$(realpath -m "$corpus") landmarks=$(realpath -m "$landmarks")
cd "$top/egs/grid/vsr"
export PATH="$venv/bin:$PATH"
work=exp/fused data_marks=data/.done_fused
lists="train dev test_s1 test_s2s5 unseen" tests="test_s1 test_s2s5 unseen puppet_test"

make_manifests() {
    vsr prepare grid --corpus "$corpus" --out data/manifests
    vsr prepare landmarks --corpus "$landmarks" --lists data/manifests --out data/landmarks
    vsr prepare puppet --out data/puppet --train 160 --dev 10 --test 60 --jobs "$nj"
    vsr prepare puppet --out data/puppet640 --train 640 --dev 10 --test 60 --jobs "$nj"
}
crop_all() {
    local list
    for list in $lists; do
        vsr crop --manifest data/manifests/$list.jsonl --out data/crops/$list --jobs "$nj" --tracks
    done
    for list in train dev test; do
        vsr crop --manifest data/puppet/$list.jsonl --out data/crops/puppet_$list --jobs "$nj" --tracks
    done
    vsr crop --manifest data/puppet640/train.jsonl --out data/crops/puppet640_train --jobs "$nj" --tracks
    grep '"speaker": "s[2-5]"' data/crops/train/manifest.jsonl >data/crops/train/few.jsonl
}
make_tokens() {
    vsr tokens --manifest data/manifests/train.jsonl --kind char --out data/tokens
    vsr tokens --manifest data/landmarks/train.jsonl --kind word --out data/words
}
train() {
    local resume=()
    [ ! -f "exp/$1/last.pt" ] || resume=(--resume)
    vsr train --config "conf/$1.yaml" --out "exp/$1" "${resume[@]}" --set trainer.accelerator=cpu
}
train_pixels() {
    train video_transformer
    train refine
    vsr average --models exp/video_transformer/model exp/refine/model --out exp/mean/model
    train general
    vsr average --models exp/mean/model exp/general/model --out exp/final/model
}
# Weights and entropies: chosen on the dev lists of s1, s4 and the puppet.
fuse() {
    vsr fuse --pixels exp/final/model --tracks exp/landmarks/model --out $work/model \
        --weights 1 5 --entropies 0.33 0.40
}
decode_all() {
    local list
    vsr decode --model $work/model --manifest data/crops/dev/manifest.jsonl --out $work/dev.jsonl --calibrate
    for list in $tests; do
        vsr decode --model $work/model --manifest data/crops/$list/manifest.jsonl --out $work/$list.jsonl
    done
}
score_all() {
    local list
    for list in $tests; do
        vsr score --ref data/crops/$list/manifest.jsonl --hyp $work/$list.jsonl --json $work/result/$list.json \
            --tsv $work/result/$list.tsv
    done
}
run_stage 0 "manifests and puppet clips" make_manifests
run_stage 1 "mouth crops and tracks" crop_all
run_stage 2 "tokens" make_tokens
run_stage 3 "the reader of pixels" train_pixels
run_stage 4 "the reader of tracks" train landmarks
run_stage 5 "both as one" fuse
run_stage 6 "decode" decode_all
run_stage 7 "score" score_all
log "figures: $top/egs/grid/vsr/$work/result"
