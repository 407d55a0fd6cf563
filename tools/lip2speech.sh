# Stages 3 to 7 of every lip-to-speech recipe. Source it after tools/recipe.sh; it uses the recipe's variables:
#   crops (folder of crops), train_lists test_list (names in it), features units (paths), extractor num_units (of units)
#   reader (folder of the lip reader; not set: the configuration's), gpus (not set: as the configuration says)
#   listener_config (of train_listener, for a recipe that has one)
#   exp (folder of the run), config of the acoustic model, or configs (an array: each begins from the weights before)
#   vocoder_config vocoder (folder), tune_config tuned (folder), tune_minutes (0: not tuned) tune_clips (not set: all)
#   sync (yes: the sound of every clip that is learned from is put on the video's clock; offsets: the file for it)
#   settings (KEY=VALUE ... of every training), steps guidance temperature protocol, tag, nj, page (RESULTS.md)
#   asr, distillmos (yes, no): what scores beside the figures of every run
# What the test list became lies in $exp/decode_LIST_TAG, the log of each command in $exp/log.

manifests_of() {
    local list
    for list in "$@"; do printf '%s\n' "$crops/$list/manifest.jsonl"; done
}
resume_of() { [ ! -f "$1/last.pt" ] || echo --resume; }
flow_options() { echo --steps "$steps" --guidance "$guidance" --temperature "$temperature"; }

make_features() {
    $train_cmd "$exp/log/units.log" lip2speech units --manifest $(manifests_of $train_lists) \
        --extractor "${extractor:-mfcc}" --size "$num_units" --out "$units"
    if [ "${sync:-no}" = no ]; then
        features_of features $(manifests_of $train_lists dev "$test_list")
        return
    fi
    # Measured with the sound as it was recorded, once for what this stage is made from.
    if [ ! -f "$offsets" ] || [ "$(cat "$offsets.made" 2>/dev/null)" != "$_wanted" ]; then
        rm -f "$offsets.made"
        features_of features_recorded $(manifests_of $train_lists dev "$test_list")
        $train_cmd --num-threads "$nj" "$exp/log/sync.log" lip2speech sync --manifest $(manifests_of $train_lists dev) \
            --also $(manifests_of "$test_list") --features "$features" --out "$offsets" --waves "${offsets%.json}" --jobs "$nj"
        printf '%s\n' "$_wanted" >"$offsets.made"
    fi
    # The test list stays as it was recorded: nothing is made easier for the figures.
    features_of features $(manifests_of $train_lists dev) --offsets "$offsets"
}
features_of() { # LOG MANIFEST... [OPTION...]
    $train_cmd --num-threads "$nj" "$exp/log/$1.log" lip2speech features --manifest "${@:2}" --units "$units" \
        --out "$features" --jobs "$nj"
}
# Settings of the machine, where the recipe has gpus: DEVICES
machine() {
    [ -z "${gpus:-}" ] || echo "trainer.accelerator=$([ "$gpus" = 0 ] && echo cpu || echo gpu)" "trainer.devices=$1"
}
train_acoustic() {
    local yaml folder start="" number=0 all=("${configs[@]:-$config}")
    for yaml in "${all[@]}"; do
        number=$((number + 1)) folder=$exp
        [ $number = ${#all[@]} ] || folder=$exp/part$number
        train_acoustic_run "$yaml" "$folder" "$start"
        start=$folder/model
    done
}
# What pulls the voice towards its text becomes a part of the acoustic model's folder.
train_listener() {
    train_listener_run "$exp/listener"
    mkdir -p "$exp/model/listener"
    cp "$exp/listener/model"/{config.json,model.safetensors} "$exp/model/listener/"
}
train_listener_run() { # FOLDER
    $cuda_cmd "$1/log/train.log" lip2speech listener --config "$listener_config" --out "$1" $(resume_of "$1") \
        --set "data.voice=$exp/model" ${settings:-}
}
train_acoustic_run() { # CONFIG FOLDER START
    local own=($(machine $((${gpus:-1} > 0 ? ${gpus:-1} : 1))) ${settings:-})
    [ -z "${reader:-}" ] || own+=("data.reader=$reader")
    [ -z "$3" ] || own+=("trainer.init_from=$3")
    $cuda_cmd --gpu "${gpus:-0}" "$2/log/train.log" \
        lip2speech train --config "$1" --out "$2" $(resume_of "$2") ${own:+--set "${own[@]}"}
}
train_vocoder_run() { # CONFIG FOLDER KEY=VALUE...
    $cuda_cmd --gpu $((${gpus:-0} > 0 ? 1 : 0)) "$2/log/train.log" lip2speech vocoder --config "$1" --out "$2" $(resume_of "$2") \
        --set "model.units=$num_units" $(machine 1) ${settings:-} "${@:3}"
}
train_vocoder() {
    local list lists=""
    train_vocoder_run "$vocoder_config" "$vocoder"
    [ "$tune_minutes" != 0 ] || { mkdir -p "$tuned" && cp -r "$vocoder/model" "$tuned/"; return; }
    for list in $train_lists; do
        mkdir -p "$exp/predicted"
        shuf -n "${tune_clips:-1000000}" --random-source=<(yes) "$crops/$list/manifest.jsonl" \
            >"$exp/predicted/$list.jsonl"
        $decode_cmd "$exp/log/predict_$list.log" lip2speech synthesize --acoustic "$exp/model" \
            --vocoder "$vocoder/model" --features "$features" --manifest "$exp/predicted/$list.jsonl" \
            --out "$exp/predicted" --text none $(flow_options)
        lists+=${lists:+,}$exp/predicted/$list.jsonl
    done
    train_vocoder_run "$tune_config" "$tuned" "data.train=[$lists]" "data.predicted=$exp/predicted" \
        "trainer.init_from=$vocoder/model" "trainer.max_minutes=$tune_minutes"
}
place_of() { echo "$exp/decode_$1_$tag"; } # LIST
synthesize_row() { # ROW OPTION...
    $decode_cmd "$exp/log/synthesize_$1_$tag.log" lip2speech synthesize --acoustic "$exp/model" \
        --vocoder "$tuned/model" --manifest "$crops/$test_list/manifest.jsonl" --features "$features" \
        --protocol "$protocol" --out "$(place_of "$test_list")/$1" "${@:2}"
}
synthesize_all() {
    synthesize_row copy --copy
    synthesize_row copy32 --copy --rounds 32
    synthesize_row system $(flow_options)
    [ -n "${listener_config:-}" ] || return 0
    synthesize_row lips --text none $(flow_options)
    synthesize_row other_words --text other $(flow_options)
}
evaluate_all() { # RECIPE ARGUMENTS...
    local moved=() place
    place=$(place_of "$test_list")
    [ "${sync:-no}" = no ] || moved=(--row moved="${offsets%.json}" --other-pauses natural --other-pauses moved)
    [ -z "${listener_config:-}" ] || moved+=(--row lips="$place/lips" --row other_words="$place/other_words")
    [ "${distillmos:-no}" = no ] || moved+=(--distillmos)
    rm -f "$place/result.json"
    # A clip that could not be scored makes the status 1; it is counted in the page, which is written all the same.
    $decode_cmd --num-threads "$nj" "$exp/log/evaluate_$tag.log" lip2speech evaluate \
        --manifest "$crops/$test_list/manifest.jsonl" "${moved[@]}" --row copy="$place/copy" \
        --row copy32="$place/copy32" --row system="$place/system" --asr "$asr" --protocol "$protocol" \
        --out "$place" --plots 3 --jobs "$nj" || [ -f "$place/result.json" ]
    $decode_cmd "$exp/log/results_$tag.log" lip2speech results --run "$exp" --list "$test_list" --tag "$tag" \
        --command "$*" --out "$page"
}
