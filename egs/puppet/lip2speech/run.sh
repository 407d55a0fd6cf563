#!/usr/bin/env bash
# Puppet, lip to speech: from nothing to RESULTS.md in a few minutes, a toy that runs every stage for real.
#
#   stages 0-2  render the corpus, mouth crops: those of egs/puppet/vsr/run.sh
#   stage 3  units and speech features       6  synthesise the test list: copy-synthesis and the system
#   stage 4  train the acoustic model        7  evaluate, RESULTS.md
#   stage 5  train the vocoder, then tune it on the acoustic model's mels
#
# Options: --train N --dev N --test N (clips)  --minutes M (of each training)  --tune-minutes M  --work DIR (data and runs)
#          --steps N  --guidance G  --temperature T  --protocol P  --judge J  --stage N  --stop-stage N  --nj N
# Example: egs/puppet/lip2speech/run.sh --train 40 --minutes 1

set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
venv=$(realpath -m "${VENV:-$top/.venv}")
here=$top/egs/puppet/lip2speech
work=$here train=40 dev=4 test=6 minutes=1 tune_minutes=0.5
steps=4 guidance=1 temperature=0.05 protocol=cross judge=pocketsphinx-grid stage=0 stop_stage=7 nj=2
options="work train dev test minutes tune_minutes steps guidance temperature protocol judge stage stop_stage nj"
. "$top/tools/recipe.sh"
. "$top/tools/lip2speech.sh"
parse_options "$@"
export PATH="$venv/bin:$PATH"
mkdir -p "$work" && cd "$work"
page=$PWD/RESULTS.md crops=data/crops train_lists=train test_list=test
features=data/features units=data/units.safetensors num_units=50
config=exp/flow.yaml vocoder_config=exp/vocoder.yaml
work=exp/flow data_marks=data/.done_speech upstream=data/.done vocoder=exp/vocoder tuned=$work/vocoder_tuned

crops_of_vsr() {
    "$top/egs/puppet/vsr/run.sh" --work "$PWD" --train "$train" --dev "$dev" --test "$test" --stop-stage 2 --nj "$nj"
    mkdir -p exp
    sed "s/max_minutes: .*/max_minutes: $minutes/" "$here/conf/flow.yaml" >$config
    sed "s/max_minutes: .*/max_minutes: $minutes/" "$here/conf/vocoder.yaml" >$vocoder_config
}

run_stage 0 "corpus, mouth crops" crops_of_vsr
run_stage 3 "units and speech features" make_features
run_stage 4 "train $work" train_acoustic
run_stage 5 "train the vocoder" train_vocoder
run_stage 6 "synthesise" synthesize_all
run_stage 7 "evaluate" evaluate_all "$@"
log "figures: $page"
