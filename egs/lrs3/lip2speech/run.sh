#!/usr/bin/env bash
# LRS3, lip to speech of unseen speakers: from the corpus to RESULTS.md.
#
#   stage 0  check the corpus and the lists           4  train the acoustic model
#   stage 1  manifests, every video looked at once    5  train the vocoder, then tune it on the acoustic model's mels
#   stage 2  mouth crops                              6  synthesise the test list: copy-synthesis and the system
#   stage 3  units and speech features                7  evaluate, RESULTS.md
#
# Options: --corpus DIR (the folder with pretrain, trainval, test)
#          --lists DIR (lrs3_unseen_train.txt, lrs3_unseen_val.txt and lrs3_unseen_test.txt)
#          --reader DIR (folder of a lip reader: of egs/lrs3/vsr, or of vsr import)
#          --extractor mfcc|hubert:MODEL:LAYER  --num-units K  --config YAML  --vocoder-config YAML  --name RUN
#          --tune-minutes M  --tune-clips N  --steps N  --guidance G  --temperature T  --protocol self|cross|vision
#          --judge J (whisper:MODEL, wav2vec2:MODEL)  --work DIR  --stage N  --stop-stage N  --nj N  --gpus N
# Example: egs/lrs3/lip2speech/run.sh --corpus LRS3 --lists LISTS --reader models/avhubert \
#              --extractor hubert:hubert-base-ls960:6 --judge whisper:whisper-large-v3 --nj 16

set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
venv=$(realpath -m "${VENV:-$top/.venv}")
here=$top/egs/lrs3/lip2speech
corpus="" lists="" reader="" extractor=mfcc num_units=200 config=$here/conf/one_gpu.yaml
vocoder_config=$here/conf/vocoder.yaml name="" tune_minutes=60 tune_clips=5000 steps=10 guidance=1 temperature=0.05 protocol=cross
judge="" work=$here stage=0 stop_stage=7 nj=8 gpus=1
options="corpus lists reader extractor num_units config vocoder_config name tune_minutes tune_clips steps guidance
    temperature protocol judge work stage stop_stage nj gpus"
. "$top/tools/recipe.sh"
. "$top/tools/lip2speech.sh"
parse_options "$@"
for path in corpus lists reader config vocoder_config; do
    [ -z "${!path}" ] || printf -v $path '%s' "$(realpath -m "${!path}")"
done
export PATH="$venv/bin:$PATH"
mkdir -p "$work" && cd "$work"
manifests=data/manifests crops=data/crops train_lists=train test_list=test
features=data/features units=data/units.safetensors page=$PWD/RESULTS.md
data_marks=data/.done
work=exp/${name:-$(basename "$config" .yaml)} vocoder=exp/vocoder tuned=$work/vocoder_tuned

check_corpus() {
    [ -n "$corpus" ] || die "give the folder of LRS3 with --corpus"
    [ -d "$corpus/trainval" ] && [ -d "$corpus/test" ] || die "$corpus has no folders trainval and test: it is not LRS3"
    local part
    for part in train val test; do
        [ -f "$lists/lrs3_unseen_$part.txt" ] || die "--lists: '$lists' holds no lrs3_unseen_$part.txt"
    done
    [ -f "$config" ] || die "no configuration $config"
    [ -n "$reader" ] || log "no --reader: the shipped lip reader, which knows GRID's sentences alone, is the encoder"
}
make_manifests() {
    vsr prepare lrs3 --corpus "$corpus" --lists "$lists" --out $manifests
    vsr validate --manifest $manifests/unseen_{train,val,test}.jsonl --jobs "$nj" --report $manifests/validation.json
}
crop_lists() {
    local own
    for own in train:unseen_train dev:unseen_val test:unseen_test; do
        vsr crop --manifest $manifests/${own#*:}.jsonl --out $crops/${own%:*} --jobs "$nj"
    done
}

run_stage 0 "check the corpus" check_corpus
run_stage 1 "manifests of LRS3, unseen speakers" make_manifests
run_stage 2 "mouth crops" crop_lists
run_stage 3 "units and speech features" make_features
run_stage 4 "train $work" train_acoustic
run_stage 5 "train the vocoder" train_vocoder
run_stage 6 "synthesise" synthesize_all
run_stage 7 "evaluate" evaluate_all "$@"
log "figures: $page"
