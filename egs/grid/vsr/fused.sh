#!/usr/bin/env bash
# GRID, from start to end: the reader of pixels, the reader of tracks of mouth points, and both as one, which is the default
# reader: it asks the tracks about people whom the pixels do not know (README.md has the figures).
#
#   stage 0  manifests of GRID and of the tracks, puppet clips   4  the reader of tracks, in two parts
#   stage 1  mouth crops, and their tracks                       5  both as one
#   stage 2  tokens: characters for pixels, words for tracks     6  confidence, decode
#   stage 3  the reader of pixels, in three parts                7  score
#
# Options: --corpus DIR (the folder with s1, s2, ...)  --landmarks DIR (the folder with s1.npz, s2.npz, ...)
#          --outside JSONL (a manifest of videos of other speech: the model learns to say when it guesses)
#          --puppet N --more N --tested N (rendered clips: 160, 640 for the later parts of the pixels, 60 of the test)
#          --settings "KEY=VALUE ..." (for every training)  --stage N  --stop-stage N  --nj N
# About four and a half hours on two cores, of which the pixels take three and the tracks one and a quarter. A stopped
# training goes on.
# Example: egs/grid/vsr/fused.sh --corpus ../shared/data/grid --landmarks ../shared/data/landmarks

set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
venv=$(realpath -m "${VENV:-$top/.venv}")
corpus="" landmarks="" outside="" settings="" puppet=160 more=640 tested=60 stage=0 stop_stage=7 nj=2
options="corpus landmarks outside settings puppet more tested stage stop_stage nj"
. "$top/tools/recipe.sh"
parse_options "$@"
[ -n "$corpus" ] && [ -n "$landmarks" ] || die "give --corpus and --landmarks; see --help"
corpus=$(realpath -m "$corpus") landmarks=$(realpath -m "$landmarks")
[ -z "$outside" ] || outside=$(realpath "$outside")
cd "$top/egs/grid/vsr"
export PATH="$venv/bin:$PATH"
work=exp/fused data_marks=data/.done_fused
lists="train later dev test_s1 test_s2s5 unseen" tests="test_s1 test_s2s5 unseen puppet_test"
# Clips that the reader of pixels does not learn: the re-encoded ones of s4, by which the weights of the tracks are chosen,
# and those of speakers of whom there is one.
later='/s4/video/[^"]*\.mp4"|"speaker": "(s16|s25|s27)"'

make_manifests() {
    vsr prepare grid --corpus "$corpus" --out data/grid
    mkdir -p data/manifests
    cp data/grid/{dev,test_s1,test_s2s5,unseen}.jsonl data/manifests/
    grep -vE "$later" data/grid/train.jsonl >data/manifests/train.jsonl
    grep -E "$later" data/grid/train.jsonl >data/manifests/later.jsonl
    vsr prepare landmarks --corpus "$landmarks" --lists data/grid --out data/landmarks --dev-speakers s4 s13 s29
    vsr prepare puppet --out data/puppet --train "$puppet" --dev 10 --test "$tested" --jobs "$nj"
    vsr prepare puppet --out data/puppet640 --train "$more" --dev 10 --test "$tested" --jobs "$nj"
}
crop_all() {
    local list
    for list in $lists; do
        vsr crop --manifest data/manifests/$list.jsonl --out data/crops/$list --jobs "$nj" --tracks
    done
    for list in train dev test; do
        vsr crop --manifest data/puppet/$list.jsonl --out data/crops/puppet_$list --jobs "$nj" --tracks
    done
    vsr crop --manifest data/puppet640/train.jsonl --out data/crops/puppet640_train --jobs "$nj"
    select_clips
}
# Lists for the trainings: of pixels the few clips of s2 to s5, of tracks the clips that have one.
select_clips() {
    local crops=data/crops
    grep '"speaker": "s[2-5]"' $crops/train/manifest.jsonl >$crops/train/few.jsonl
    cat $crops/{train,later}/manifest.jsonl | grep '"track": "[^"]' >$crops/train/tracks.jsonl
    grep -v '"speaker": "s1"' $crops/train/tracks.jsonl >$crops/train/few_tracks.jsonl
    grep -v '"speaker": "s4"' $crops/train/tracks.jsonl >$crops/train/others.jsonl
    grep -v '"speaker": "s4"' $crops/train/few_tracks.jsonl >$crops/train/few_others.jsonl
    grep '"track": "[^"]' $crops/puppet_train/manifest.jsonl >$crops/puppet_train/tracks.jsonl
}
make_tokens() {
    vsr tokens --manifest data/manifests/train.jsonl --kind char --out data/tokens
    vsr tokens --manifest data/landmarks/train.jsonl data/landmarks/dev.jsonl --kind word --out data/words
}
train() { # CONFIG [SETTING...]
    local resume=() name=$1
    shift
    [ ! -f "exp/$name/last.pt" ] || resume=(--resume)
    # shellcheck disable=SC2086
    vsr train --config "conf/$name.yaml" --out "exp/$name" "${resume[@]}" --set trainer.accelerator=cpu "$@" $settings
}
train_pixels() {
    train video_transformer
    train refine
    vsr average --models exp/video_transformer/model exp/refine/model --out exp/mean/model
    train general
    vsr average --models exp/mean/model exp/general/model --out exp/final/model
}
times() { # N FILE: so often in an epoch
    local i
    for ((i = 0; i < $1; i++)); do printf '%s,' "$2"; done
}
train_tracks() {
    local crops=data/crops/train puppets
    puppets=$(times 6 data/crops/puppet_train/tracks.jsonl)
    train landmarks "data.train=[data/landmarks/train.jsonl,$(times 6 $crops/others.jsonl)$(
        times 25 $crops/few_others.jsonl)${puppets%,}]"
    train landmarks_all "data.train=[data/landmarks/train.jsonl,data/landmarks/dev.jsonl,$(times 6 $crops/tracks.jsonl)$(
        times 12 $crops/few_tracks.jsonl)${puppets%,}]"
}
# Weights and entropies: chosen with the first part of the tracks, for which s4 is unseen, on s4, s1 dev and the puppet.
fuse() {
    calibrate_pixels
    vsr fuse --pixels exp/final/model --tracks exp/landmarks/model --out exp/held_out/model \
        --weights 0 3 --entropies 0.105 0.115 --widest-turn 35
    vsr fuse --pixels exp/final/model --tracks exp/landmarks_all/model --out $work/model \
        --weights 0 3 --entropies 0.105 0.115 --widest-turn 35
}
# What pixels read alone: fitted before both are joined, by which it is kept as what is read of people whom they know.
calibrate_pixels() {
    [ -z "$outside" ] || vsr calibrate --model exp/final/model --outside "$outside" \
        --inside data/manifests/dev.jsonl data/manifests/later.jsonl data/puppet/dev.jsonl
}
# Fitted to the model that has not seen s4, and kept by the one that has.
calibrate() {
    if [ -n "$outside" ]; then
        vsr calibrate --model exp/held_out/model --also $work/model --outside "$outside" \
            --inside data/manifests/dev.jsonl data/manifests/later.jsonl data/puppet/dev.jsonl
    else
        vsr decode --model $work/model --manifest data/crops/dev/manifest.jsonl --out $work/dev.jsonl --calibrate
    fi
}
decode_all() {
    local list
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
calibrate_and_decode() {
    calibrate
    decode_all
}
run_stage 0 "manifests and puppet clips" make_manifests
run_stage 1 "mouth crops and tracks" crop_all
run_stage 2 "tokens" make_tokens
run_stage 3 "the reader of pixels" train_pixels
run_stage 4 "the reader of tracks" train_tracks
run_stage 5 "both as one" fuse
run_stage 6 "confidence, decode" calibrate_and_decode
run_stage 7 "score" score_all
log "figures: $top/egs/grid/vsr/$work/result"
