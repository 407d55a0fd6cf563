#!/usr/bin/env bash
# GRID, visual speech recognition: from the corpus to RESULTS.md.
#
#   stage 0  check or fetch the corpus   5  average the last epochs (average > 0), else take the running average
#   stage 1  manifests                   6  decode
#   stage 2  mouth crops                 7  score, RESULTS.md
#   stage 3  tokens                      8  decode with GRID's grammar as a graph of k2 (--graphs yes)
#   stage 4  train                       9  score that, RESULTS.md
#
# Examples: egs/grid/vsr/run.sh --corpus ../shared/data/grid
#           egs/grid/vsr/run.sh --system shipped --corpus GRID --landmarks TRACKS    the model that ships, start to end

set -euo pipefail
. "$(dirname "$0")/path.sh"
. "$(dirname "$0")/cmd.sh"
. "$top/tools/recipe.sh"
. "$top/tools/vsr.sh"
last_stage=9
declare_options <<'TABLE'
    corpus      DIR             -                           the folder with s1, s2, ...; none: the public record is fetched
    system      config|shipped  config                      what --config says; or what ships: fused.sh, stages 0 to 7 of its own
    landmarks   DIR             -                           tracks of mouth points, s1.npz, s2.npz, ... (for what ships)
    config      YAML            conf/video_transformer.yaml what is trained
    tokens      char|phoneme|viseme char                    what is read into (phoneme, viseme: conf/vallr.yaml, --beam 100)
    settings    KEY=VALUE...    -                           that replace the configuration's, in one word: "A=1 B=2"
    name        NAME            -                           of the run: exp/NAME (the configuration's)
    puppet      N               160                         rendered clips to add
    puppet-test N               60                          rendered clips to score
    average     N               0                           epochs whose weights are averaged; 0: the running average
    beam        N               10                          width of the search
    ctc-weight  X               0.1                         of the joint score
    tag         NAME            -                           of this way of decoding: decode_LIST_TAG, a row of RESULTS.md (beamN_ctcW)
    graphs      yes|no          no                          stages 8 and 9, in the environment of tools/k2.sh
    crops       DIR             -                           crops made before of the same videos: kept, not made again
    work        DIR             .                           data/ and exp/ go there
    nj          N               2                           processes
    gpus        N               0                           0: the processors train
TABLE
parse_options "$@"
exp=exp/${name:-$(basename "$config" .yaml)} tag=${tag:-beam${beam}_ctc$ctc_weight} made_crops=$crops
. "$here/local/data.sh"
. "$here/local/graphs.sh"
[ "$system" = config ] || make_what_ships
begin_in "$work"
page=$PWD/RESULTS.md note=""

train_model() { train_run "$config" "$exp"; }
decode_all() {
    local list
    decode_list dev $crops/dev/manifest.jsonl --calibrate
    for list in $grid_tests; do decode_list $list $crops/$list/manifest.jsonl; done
}
score_all() { # RECIPE ARGUMENTS...
    local list pairs=()
    for list in $grid_tests; do
        score_list $list "$(reference_of $list)"
        pairs+=("$list=$(reference_of $list)")
    done
    note=$(prior_note $manifests/train.jsonl "${pairs[@]}")
    write_page "$grid_tests" "$@"
}

run_stage 0 "check or fetch the corpus" check_grid
run_stage 1 "manifests of GRID, and puppet clips" make_grid_manifests
run_stage 2 "mouth crops" crop_grid
run_stage 3 "tokens" make_grid_tokens "$tokens"
run_stage 4 "train $exp" train_model
run_stage 5 "average" average_epochs
run_stage 6 "decode" decode_all
run_stage 7 "score" score_all egs/grid/vsr/run.sh "$@"
[ "$graphs" = no ] || graph_stages egs/grid/vsr/run.sh "$@"
finish "figures: $page"
