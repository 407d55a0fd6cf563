#!/usr/bin/env bash
# LRS3, lip to speech of unseen speakers: from the corpus to RESULTS.md.
#
#   stage 0  check the corpus and the lists           4  train the acoustic model
#   stage 1  manifests, every video looked at once    5  train the vocoder, then tune it on the acoustic model's mels
#   stage 2  mouth crops                              6  synthesise the test list: copy-synthesis and the system
#   stage 3  units and speech features                7  evaluate, RESULTS.md
#
# Example: egs/lrs3/lip2speech/run.sh --corpus LRS3 --lists LISTS --reader models/avhubert \
#              --extractor hubert:hubert-base-ls960:6 --asr whisper:whisper-large-v3 --nj 16

set -euo pipefail
. "$(dirname "$0")/path.sh"
. "$(dirname "$0")/cmd.sh"
. "$top/tools/recipe.sh"
. "$top/tools/lip2speech.sh"
declare_options <<'TABLE'
    corpus          DIR             -                       the folder with pretrain, trainval, test
    lists           DIR             -                       lrs3_unseen_train.txt, lrs3_unseen_val.txt and lrs3_unseen_test.txt
    reader          MODEL           -                       a lip reader: of the recipe beside this one, or of vsr import
    extractor       EXTRACTOR       mfcc                    of the units: mfcc, or hubert:MODEL:LAYER
    num-units       N               200                     of the codebook
    config          YAML            conf/one_gpu.yaml       the acoustic model
    vocoder-config  YAML            conf/vocoder.yaml       the vocoder
    tune-config     YAML            conf/vocoder_tuned.yaml its tuning
    settings        KEY=VALUE...    -                       that replace the configurations', in one word: "A=1 B=2"
    name            NAME            -                       of the run: exp/NAME (the configuration's)
    tune-minutes    X               60                      of tuning the vocoder; 0: none
    tune-clips      N               5000                    that it is tuned on
    steps           N               10                      of the flow
    guidance        X               1                       of the flow
    temperature     X               0.05                    of the flow
    protocol        self|cross|vision   cross               whose voice is given
    asr             ASR           -                       ASR that scores intelligibility: whisper:MODEL, wav2vec2:MODEL
    distillmos      yes|no          no                      a second opinion of quality beside DNSMOS
    tag             NAME            -                       of this way of speaking: decode_LIST_TAG, a row of RESULTS.md
    work            DIR             .                       data/ and exp/ go there
    nj              N               8                       processes
    gpus            N               1                       0: the processors train
TABLE
parse_options "$@"
exp=exp/${name:-$(basename "$config" .yaml)} vocoder=exp/vocoder tuned=$exp/vocoder_tuned
tag=${tag:-steps${steps}_g${guidance}_t${temperature}_$protocol}
. "$here/local/data.sh"
begin_in "$work"
page=$PWD/RESULTS.md

run_stage 0 "check the corpus" check_corpus
run_stage 1 "manifests of LRS3, unseen speakers" make_manifests
run_stage 2 "mouth crops" crop_lists
run_stage 3 "units and speech features" make_features
run_stage 4 "train $exp" train_acoustic
run_stage 5 "train the vocoder" train_vocoder
run_stage 6 "synthesise" synthesize_all
run_stage 7 "evaluate" evaluate_all egs/lrs3/lip2speech/run.sh "$@"
finish "figures: $page"
