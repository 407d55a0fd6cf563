# What the recipes of LRS3, LRS2 and LRW share beyond tools/vsr.sh; it uses the recipe's variables:
#   manifests, train_list (a manifest's name), dev (a manifest, or ""), first size, lm_config lm_weight (LRS3 and LRS2)

name_folders() {
    if [ -n "$model" ]; then
        use_published
    else
        exp=exp/${name:-$(basename "$config" .yaml)_${hours}h} tag=${tag:-beam${beam}_ctc$ctc_weight}
        manifests=data/manifests crops=data/crops data_marks=data/.done
    fi
}

# --model: a reader that exists reads the test list, of which alone there need be videos. Nothing is trained; the search is
# the model's own, but for what is given, and crops are arrays.
use_published() {
    local option
    [ -z "$lm_config" ] || die "--lm-config trains on texts that --model does not ask for: leave it out"
    for option in beam ctc_weight store; do
        [[ " ${given_options:-} " == *" $option "* ]] || printf -v "$option" '%s' ""
    done
    exp=exp/${name:-$(basename "$model")} data=data/test_alone
    tag=${tag:-own${beam:+_beam$beam}${ctc_weight:+_ctc$ctc_weight}}
    manifests=$data/manifests crops=$data/crops data_marks=$data/.done
}
find_reader() { # fetched now, and not after hours of cropping
    local folder
    check_test
    folder=$(vsr models where "$model")
    log "reader: $folder"
}
make_test_manifest() { # KIND
    $train_cmd "$exp/log/prepare.log" \
        vsr prepare "$1" --corpus "$corpus" ${lists:+--lists "$lists"} --out $manifests --test-only
    check_videos test
}
crop_test() { crop_list test "$manifests/test.jsonl"; }
decode_test() { decode_list test "$crops/test/manifest.jsonl"; }
score_published() { # RECIPE ARGUMENTS...
    note=$(sed -n '/^DIFFERS/p' "$exp/log/prepare.log" | sed '$!s/$/;/' | paste -sd ' ')
    score_all "$@"
}
published_stages() { # KIND RECIPE ARGUMENTS...   all there is with --model; without it nothing
    [ -n "$model" ] || return 0
    run_stage 0 "check the corpus, find the reader" find_reader
    run_stage 1 "manifest of the test list" make_test_manifest "$1"
    run_stage 2 "mouth crops" crop_test
    run_stage 6 "decode" decode_test
    run_stage 7 "score" score_published "${@:2}"
    finish "figures: $page"
    exit
}

check_videos() { # LIST...
    local paths=("${@/%/.jsonl}")
    $train_cmd --num-threads "$nj" "$exp/log/validate.log" vsr validate --manifest "${paths[@]/#/$manifests/}" \
        --jobs "$nj" --report "$manifests/validation.json"
}
crop_all() {
    local list
    crop_list train "$manifests/$train_list.jsonl"
    for list in dev test; do crop_list $list "$manifests/$list.jsonl"; done
}
make_unigrams() { make_tokens "$manifests/$train_list.jsonl" --kind unigram --size "$size" --force; }
train_all() { # short clips first, where a first configuration is given
    local start=() other=()
    [ -z "$dev" ] || other=("data.dev=[$dev]")
    if [ -n "$first" ]; then
        train_run "$first" "$exp/first" "${other[@]}"
        start=("trainer.init_from=$exp/first/model")
    fi
    train_run "$config" "$exp" "${start[@]}" "${other[@]}"
}
decode_all() {
    decode_list dev "${dev:-$crops/dev/manifest.jsonl}" --calibrate
    decode_list test "$crops/test/manifest.jsonl"
}
# Published figures differ in what they do to a text before they count: each way is named.
score_all() { # RECIPE ARGUMENTS...
    local normaliser
    for normaliser in lower 13a whisper; do
        score_list test "$manifests/test.jsonl" _$normaliser --normaliser $normaliser
    done
    write_page test "$@"
}
train_language_model() {
    local resume=""
    [ ! -f "exp/lm_${hours}h/last.pt" ] || resume=--resume
    $cuda_cmd --gpu "$gpus" "exp/lm_${hours}h/log/train.log" vsr lm train --config "$lm_config" --out "exp/lm_${hours}h" $resume \
        --set "data.train=[$manifests/$train_list.jsonl]" trainer.accelerator=$([ "$gpus" = 0 ] && echo cpu || echo gpu)
}
decode_with_language_model() {
    decode_list test "$crops/test/manifest.jsonl" --lm "exp/lm_${hours}h/model" --lm-weight "$lm_weight"
}
# Stages 8 to 10: the same test list again, under a tag of its own.
language_model_stages() { # RECIPE ARGUMENTS...
    after=3 run_stage 8 "train the language model" train_language_model
    tag+=_lm$lm_weight
    run_stage 9 "decode with the language model" decode_with_language_model
    run_stage 10 "score" score_all "$@"
}
