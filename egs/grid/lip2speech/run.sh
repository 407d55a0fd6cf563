#!/usr/bin/env bash
# GRID, lip to speech: from the corpus to RESULTS.md.
#
#   stage 0  check or fetch the corpus         4  train the acoustic model, and its listener
#   stage 1  manifests                         5  train the vocoder, then tune it on the acoustic model's mels
#   stage 2  mouth crops                       6  synthesise the test list: copy-synthesis and the system
#   stage 3  units, speech features, sync      7  evaluate, RESULTS.md
#
# Examples: egs/grid/lip2speech/run.sh --corpus ../shared/data/grid --crops egs/grid/vsr/data/crops
#           egs/grid/lip2speech/run.sh --system shipped --corpus GRID    the voice that ships, start to end

set -euo pipefail
. "$(dirname "$0")/path.sh"
. "$(dirname "$0")/cmd.sh"
. "$top/tools/recipe.sh"
. "$top/tools/lip2speech.sh"
declare_options <<'TABLE'
    corpus          DIR             -                       the folder with s1, s2, ...; none: the public record is fetched
    system          config|shipped  config                  what --config says; or the three trainings of what ships
    config          YAML            conf/flow.yaml          the acoustic model
    vocoder-config  YAML            conf/vocoder.yaml       the vocoder
    tune-config     YAML            conf/vocoder_tuned.yaml its tuning
    listener-config YAML            conf/listener.yaml      what pulls the voice towards its text
    settings        KEY=VALUE...    -                       that replace the configurations', in one word: "A=1 B=2"
    name            NAME            -                       of the run: exp/NAME (flow, or shipped)
    puppet          N               160                     rendered clips to add
    puppet-test     N               60                      rendered clips that may not be trained on
    tune-minutes    X               -                       of tuning the vocoder; 0: none (10; what ships: 28)
    steps           N               4                       of the flow
    guidance        X               1                       of the flow
    temperature     X               0.05                    of the flow
    protocol        self|cross|vision   cross               whose voice is given
    asr             ASR           pocketsphinx-grid       ASR that scores intelligibility
    distillmos      yes|no          no                      a second opinion of quality beside DNSMOS
    tag             NAME            -                       of this way of speaking: decode_LIST_TAG, a row of RESULTS.md
    crops           DIR             -                       crops made before of the same videos: kept, not made again
    work            DIR             .                       data/ and exp/ go there
    nj              N               2                       processes
TABLE
parse_options "$@"
made_crops=$crops
. "$here/local/data.sh"
begin_in "$work"
page=$PWD/RESULTS.md

train_both() { train_acoustic; train_listener; }

run_stage 0 "check or fetch the corpus" check_grid
run_stage 1 "manifests of GRID, and puppet clips" make_grid_manifests
run_stage 2 "mouth crops" crop_grid
run_stage 3 "units and speech features" make_features
run_stage 4 "train $exp" train_both
run_stage 5 "train the vocoder" train_vocoder
run_stage 6 "synthesise" synthesize_all
run_stage 7 "evaluate" evaluate_all egs/grid/lip2speech/run.sh "$@"
finish "figures: $page"
