# Stages that the recipes of LRS3, LRS2 and LRW share. Source it after recipe.sh; it uses the recipe's variables:
#   manifests crops tokens run (folders)  train_list (a manifest's name)  dev (a manifest, or "")
#   config first size average beam ctc_weight nj gpus

device() { if [ "$gpus" = 0 ]; then echo cpu; else echo cuda; fi; }

check_videos() {
    vsr validate --manifest $manifests/$train_list.jsonl $manifests/dev.jsonl $manifests/test.jsonl --jobs "$nj" \
        --report $manifests/validation.json
}
crop_all() {
    local list
    vsr crop --manifest $manifests/$train_list.jsonl --out $crops/train --jobs "$nj"
    for list in dev test; do vsr crop --manifest $manifests/$list.jsonl --out $crops/$list --jobs "$nj"; done
}
make_tokens() {
    vsr tokens --manifest $manifests/$train_list.jsonl --kind unigram --size "$size" --out $tokens --force
}
train_one() { # CONFIG FOLDER [SETTING...]
    local yaml=$1 folder=$2 resume=() accelerator=cpu
    shift 2
    [ ! -f "$folder/last.pt" ] || resume=(--resume)
    [ "$gpus" = 0 ] || accelerator=gpu
    vsr train --config "$yaml" --out "$folder" "${resume[@]}" \
        --set trainer.accelerator=$accelerator trainer.devices=$((gpus > 0 ? gpus : 1)) "$@"
}
train_all() { # short clips first, where a first configuration is given
    local start=() other=()
    [ -z "$dev" ] || other=("data.dev=[$dev]")
    if [ -n "$first" ]; then
        train_one "$first" "$run/first" "${other[@]}"
        start=("trainer.init_from=$run/first/model")
    fi
    train_one "$config" "$run" "${start[@]}" "${other[@]}"
}
average_epochs() {
    [ "$average" = 0 ] || vsr average --exp "$run" --last "$average" --out "$run/model"
}
decode_all() {
    local list search=(--model "$run/model" --beam "$beam" --ctc-weight "$ctc_weight" --device "$(device)")
    vsr decode "${search[@]}" --manifest "${dev:-$crops/dev/manifest.jsonl}" --out "$run/dev.jsonl" --calibrate
    vsr decode "${search[@]}" --manifest $crops/test/manifest.jsonl --out "$run/test.jsonl"
}
# Published figures differ in what they do to a text before they count: each way is named.
score_all() { # RECIPE ARGUMENTS...
    local normaliser recipe=$1
    shift
    for normaliser in lower 13a whisper; do
        vsr score --ref $manifests/test.jsonl --hyp "$run/test.jsonl" --normaliser $normaliser \
            --json "$run/result/test_$normaliser.json" --tsv "$run/result/test_$normaliser.tsv"
    done
    vsr results --run "$run" --command "$recipe $*" --out RESULTS.md
}
