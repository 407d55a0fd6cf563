#!/usr/bin/env bash
# WildVSR, visual speech recognition: a test list alone, read by a reader that exists. Nothing is trained.
#
#   stage 0  check the corpus, find the reader         6  decode
#   stage 1  manifest, every video looked at once      7  score, RESULTS.md
#   stage 2  mouth crops
#
# Example: egs/wildvsr/vsr/run.sh --corpus WildVSR --model lrs3

set -euo pipefail
. "$(dirname "$0")/path.sh"
. "$(dirname "$0")/cmd.sh"
. "$top/tools/recipe.sh"
. "$top/tools/vsr.sh"
. "$top/tools/lrs.sh"
last_stage=7
declare_options <<'TABLE'
    model       MODEL           -                           a reader that exists (vsr models, or a folder)
    corpus      DIR             -                           the folder with videos and labels.json
    name        NAME            -                           of the run: exp/NAME (of the model)
    beam        N               40                          width of the search; not given: the model's own
    ctc-weight  X               0.1                         of the joint score; not given: the model's own
    tag         NAME            -                           of this way of decoding: a row of RESULTS.md
    work        DIR             .                           data/ and exp/ go there
    nj          N               8                           processes
    gpus        N               1                           0: the processors decode
TABLE
parse_options "$@"
[ -n "$model" ] || die "give the reader with --model: there is nothing to train on in WildVSR"
lm_config="" lists=""
name_folders
. "$here/local/data.sh"
begin_in "$work"
page=$PWD/RESULTS.md
published_stages wildvsr egs/wildvsr/vsr/run.sh "$@"
