#!/usr/bin/env bash
# LRS3, visual speech recognition: from the corpus to RESULTS.md.
#
#   stage 0  check the corpus                          6  decode
#   stage 1  manifests, every video looked at once     7  score, RESULTS.md
#   stage 2  mouth crops                               8  train a language model (--lm-config)
#   stage 3  tokens                                    9  decode with it
#   stage 4  train, short clips first                 10  score that, RESULTS.md
#   stage 5  average the last epochs
#
# A reader that exists, on the test split alone (stages 0 1 2 6 7): egs/lrs3/vsr/run.sh --corpus LRS3 --model lrs3
# Example: egs/lrs3/vsr/run.sh --corpus LRS3 --lists LISTS --nj 16 --gpus 8

set -euo pipefail
. "$(dirname "$0")/path.sh"
. "$(dirname "$0")/cmd.sh"
. "$top/tools/recipe.sh"
. "$top/tools/vsr.sh"
. "$top/tools/lrs.sh"
last_stage=10
declare_options <<'TABLE'
    model       MODEL           -                           a reader that exists (vsr models): it reads test, nothing is trained
    corpus      DIR             -                           the folder with pretrain, trainval, test
    lists       DIR             -                           lrs3-valid.id of AV-HuBERT; none: validation clips are drawn by a seed
    hours       30|433|438      433                         of training; 438 holds nothing back, so it needs --dev
    dev         FILE            -                           another cropped manifest to choose on
    config      YAML            conf/published.yaml         what is trained
    first       YAML            conf/published_short.yaml   on the short clips before that; none: all from the start
    settings    KEY=VALUE...    -                           that replace the configurations', in one word: "A=1 B=2"
    name        NAME            -                           of the run: exp/NAME (of the configuration and the hours)
    size        N               5000                        of the tokens
    average     N               10                          epochs whose weights are averaged; 0: the running average
    beam        N               40                          width of the search
    ctc-weight  X               0.1                         of the joint score
    lm-config   YAML            -                           stages 8 to 10, such as conf/lm.yaml
    lm-weight   X               0.3                         of the language model
    tag         NAME            -                           of this way of decoding: decode_LIST_TAG, a row of RESULTS.md (beamN_ctcW)
    work        DIR             .                           data/ and exp/ go there
    store       video|npy|lossless  video                   how mouth crops lie on disk; see the page
    nj          N               8                           processes
    gpus        N               1                           0: the processors train
TABLE
parse_options "$@"
name_folders
. "$here/local/data.sh"
begin_in "$work"
page=$PWD/RESULTS.md

published_stages lrs3 egs/lrs3/vsr/run.sh "$@"
run_stage 0 "check the corpus" check_corpus
run_stage 1 "manifests of LRS3" make_manifests
run_stage 2 "mouth crops" crop_all
run_stage 3 "tokens" make_unigrams
run_stage 4 "train $exp" train_all
run_stage 5 "average" average_epochs
run_stage 6 "decode" decode_all
run_stage 7 "score" score_all egs/lrs3/vsr/run.sh "$@"
[ -z "$lm_config" ] || language_model_stages egs/lrs3/vsr/run.sh "$@"
finish "figures: $page"
