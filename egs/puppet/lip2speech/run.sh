#!/usr/bin/env bash
# Puppet, lip to speech: from nothing to RESULTS.md in a few minutes, a toy that runs every stage for real.
#
#   stage 1  render the corpus, manifests      5  train the vocoder, then tune it on the acoustic model's mels
#   stage 2  mouth crops                       6  synthesise the test list: copy-synthesis and the system
#   stage 3  units and speech features         7  evaluate, RESULTS.md
#   stage 4  train the acoustic model
#
# Example: egs/puppet/lip2speech/run.sh --train 40 --minutes 1

set -euo pipefail
. "$(dirname "$0")/path.sh"
. "$(dirname "$0")/cmd.sh"
. "$top/tools/recipe.sh"
. "$top/tools/lip2speech.sh"
declare_options <<'TABLE'
    train           N       40                      clips to train on
    dev             N       4                       clips to choose on
    test            N       6                       clips to score
    minutes         X       1                       of each training
    tune-minutes    X       0.5                     of tuning the vocoder; 0: none
    config          YAML    conf/flow.yaml          the acoustic model
    vocoder-config  YAML    conf/vocoder.yaml       the vocoder
    tune-config     YAML    conf/vocoder_tuned.yaml its tuning
    name            NAME    flow                    of the run: exp/NAME
    steps           N       4                       of the flow
    guidance        X       1                       of the flow
    temperature     X       0.05                    of the flow
    protocol        self|cross|vision   cross       whose voice is given
    asr             ASR   pocketsphinx-grid       ASR that scores intelligibility
    distillmos      yes|no  no                      a second opinion of quality beside DNSMOS
    tag             NAME    -                       of this way of speaking: decode_LIST_TAG, a row of RESULTS.md
    work            DIR     .                       data/ and exp/ go there
    nj              N       2                       processes
TABLE
parse_options "$@"
exp=exp/$name vocoder=exp/vocoder tuned=$exp/vocoder_tuned tag=${tag:-steps${steps}_g${guidance}_t${temperature}_$protocol}
settings="trainer.max_minutes=$minutes"
. "$here/local/data.sh"
begin_in "$work"
page=$PWD/RESULTS.md

run_stage 1 "render the corpus" render_puppet
run_stage 2 "mouth crops" crop_puppet
run_stage 3 "units and speech features" make_features
run_stage 4 "train $exp" train_acoustic
run_stage 5 "train the vocoder" train_vocoder
run_stage 6 "synthesise" synthesize_all
run_stage 7 "evaluate" evaluate_all egs/puppet/lip2speech/run.sh "$@"
finish "figures: $page"
