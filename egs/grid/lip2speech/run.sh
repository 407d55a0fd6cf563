#!/usr/bin/env bash
# GRID, lip to speech: from the corpus to RESULTS.md. The crops are those of egs/grid/vsr.
#
#   stages 0-2  corpus, manifests, mouth crops: those of egs/grid/vsr/run.sh
#   stage 3  units, speech features, sync    6  synthesise the test list: copy-synthesis and the system
#   stage 4  train the acoustic model        7  evaluate, RESULTS.md
#   stage 5  train the vocoder, then tune it on the acoustic model's mels
#
# Options: --corpus DIR (the folder with s1, s2, ...)  --config YAML  --vocoder-config YAML  --name RUN
#          --tune-minutes M  --steps N  --guidance G  --temperature T  --protocol P  --judge J  --stage N  --stop-stage N
#          --nj N
# Example: egs/grid/lip2speech/run.sh --corpus ../shared/data/grid

set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
venv=$(realpath -m "${VENV:-$top/.venv}")
here=$top/egs/grid/lip2speech
corpus="" config=$here/conf/flow.yaml vocoder_config=$here/conf/vocoder.yaml name=flow tune_minutes=10
steps=4 guidance=1 temperature=0.05 protocol=cross judge=pocketsphinx-grid stage=0 stop_stage=7 nj=2
options="corpus config vocoder_config name tune_minutes steps guidance temperature protocol judge stage stop_stage nj"
. "$top/tools/recipe.sh"
. "$top/tools/lip2speech.sh"
parse_options "$@"
[ -z "$corpus" ] || corpus=$(realpath -m "$corpus")
config=$(realpath "$config") vocoder_config=$(realpath "$vocoder_config")
export PATH="$venv/bin:$PATH"
cd "$top/egs/grid/vsr" # the manifests' paths are relative to it
crops=data/crops train_lists="train puppet_train" test_list=test_s1
features=$here/data/features units=$here/data/units.safetensors num_units=200
sync=yes offsets=$here/data/offsets.json # GRID's clips are cut at whole frames, their sound is not
data_marks=$here/data/.done upstream=data/.done
work=$here/exp/$name vocoder=$here/exp/vocoder tuned=$work/vocoder_tuned page=$here/RESULTS.md

crops_of_vsr() {
    "$top/egs/grid/vsr/run.sh" --corpus "$corpus" --stop-stage 2 --nj "$nj"
}

run_stage 0 "corpus, manifests, mouth crops" crops_of_vsr
run_stage 3 "units and speech features" make_features
run_stage 4 "train $work" train_acoustic
run_stage 5 "train the vocoder" train_vocoder
run_stage 6 "synthesise" synthesize_all
run_stage 7 "evaluate" evaluate_all "$@"
log "figures: $page"
