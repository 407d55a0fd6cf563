#!/usr/bin/env bash
# LRW, words in the wild: which of 500 words a clip of 29 frames says, from the corpus to RESULTS.md.
#
#   stage 0  check the corpus                         4  train
#   stage 1  manifests, every video looked at once    5  average the last epochs (average > 0)
#   stage 2  mouth crops                              6  decode
#   stage 3  the list of words                        7  score, RESULTS.md
#
# Example: egs/lrw/vsr/run.sh --corpus LRW --boundary false --nj 16

set -euo pipefail
. "$(dirname "$0")/path.sh"
. "$(dirname "$0")/cmd.sh"
. "$top/tools/recipe.sh"
. "$top/tools/vsr.sh"
. "$top/tools/lrs.sh"
declare_options <<'TABLE'
    corpus      DIR             -                       the folder with lipread_mp4, or with the folders of the words
    boundary    true|false      true                    the model is given the frames in which the word is said; name it with a figure
    config      YAML            conf/published.yaml     what is trained
    settings    KEY=VALUE...    -                       that replace the configuration's, in one word: "A=1 B=2"
    name        NAME            -                       of the run: exp/NAME (of the configuration and the boundary)
    average     N               0                       epochs whose weights are averaged; 0: the running average
    tag         NAME            words                   of this way of decoding: decode_LIST_TAG, a row of RESULTS.md
    work        DIR             .                       data/ and exp/ go there
    nj          N               8                       processes
    gpus        N               1                       0: the processors train
TABLE
parse_options "$@"
case $boundary in true) side=boundary ;; *) side=no_boundary ;; esac
exp=exp/${name:-$(basename "$config" .yaml)_$side}
manifests=data/manifests crops=data/crops data_marks=data/.done train_list=train
. "$here/local/data.sh"
begin_in "$work"
page=$PWD/RESULTS.md

# Without the boundary, training clips begin and end anywhere around their word, as published.
train_words() {
    local trim=true
    [ "$boundary" = false ] || trim=false
    train_run "$config" "$exp" "model.boundary=$boundary" "data.augmentation.trim=$trim"
}
decode_words() {
    decode_list dev $crops/dev/manifest.jsonl --calibrate
    decode_list test $crops/test/manifest.jsonl
}
score_words() { # RECIPE ARGUMENTS...
    local list
    for list in dev test; do score_list $list $manifests/$list.jsonl "" --accuracy; done
    write_page "dev test" "$@"
}

run_stage 0 "check the corpus" check_corpus
run_stage 1 "manifests of LRW" make_manifests
run_stage 2 "mouth crops" crop_all
run_stage 3 "the list of words" make_tokens $manifests/$train_list.jsonl --kind word --force
run_stage 4 "train $exp" train_words
run_stage 5 "average" average_epochs
run_stage 6 "decode" decode_words
run_stage 7 "score" score_words egs/lrw/vsr/run.sh "$@"
finish "figures: $page"
