#!/usr/bin/env bash
# Puppet, visual speech recognition: from nothing to RESULTS.md. The corpus is rendered here.
#
#   stage 1  render the corpus, manifests      5  average the last epochs (average > 0)
#   stage 2  mouth crops                       6  decode
#   stage 3  tokens                            7  score, RESULTS.md
#   stage 4  train
#
# Example: egs/puppet/vsr/run.sh --train 40 --minutes 1

set -euo pipefail
. "$(dirname "$0")/path.sh"
. "$(dirname "$0")/cmd.sh"
. "$top/tools/recipe.sh"
. "$top/tools/vsr.sh"
declare_options <<'TABLE'
    train       N       40              clips to train on
    dev         N       4               clips to choose on
    test        N       6               clips to score
    minutes     X       1               of training
    config      YAML    conf/tiny.yaml  what is trained
    name        NAME    -               of the run: exp/NAME (puppet)
    average     N       0               epochs whose weights are averaged; 0: the running average
    beam        N       4               width of the search
    tag         NAME    -               of this way of decoding: decode_LIST_TAG, a row of RESULTS.md (beamN)
    work        DIR     .               data/ and exp/ go there
    nj          N       2               processes
TABLE
parse_options "$@"
exp=exp/${name:-puppet} tag=${tag:-beam$beam} settings="trainer.max_minutes=$minutes"
. "$here/local/data.sh"
begin_in "$work"
page=$PWD/RESULTS.md

train_model() { train_run "$config" "$exp"; }
decode_all() {
    decode_list dev $crops/dev/manifest.jsonl --calibrate
    decode_list test $crops/test/manifest.jsonl
}
score_all() { # RECIPE ARGUMENTS...
    score_list test $puppets/test.jsonl
    note=$(prior_note $puppets/train.jsonl test=$puppets/test.jsonl)
    write_page test "$@"
}

run_stage 1 "render the corpus" render_puppet
run_stage 2 "mouth crops" crop_puppet
run_stage 3 "tokens" make_tokens $puppets/train.jsonl --kind char
run_stage 4 "train $exp" train_model
run_stage 5 "average" average_epochs
run_stage 6 "decode" decode_all
run_stage 7 "score" score_all egs/puppet/vsr/run.sh "$@"
finish "figures: $page"
