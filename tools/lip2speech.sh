# Stages 3 to 7 of every lip-to-speech recipe. Source it after tools/recipe.sh and set:
#   crops (folder of crops), train_lists test_list (names in it), features units (paths), extractor num_units (of units)
#   reader (folder of the lip reader; not set: the configuration's), gpus (not set: as the configuration says)
#   config vocoder_config, work vocoder tuned (folders of the runs), tune_minutes tune_clips (not set: all)
#   sync (yes: the sound of every clip that is learned from is put on the picture's clock; offsets: the file for it)
#   steps guidance temperature protocol, judge nj, page (path of RESULTS.md)

manifests_of() {
    local list
    for list in "$@"; do printf '%s\n' "$crops/$list/manifest.jsonl"; done
}
resume_of() { [ ! -f "$1/last.pt" ] || echo --resume; }
flow_options() { echo --steps "$steps" --guidance "$guidance" --temperature "$temperature"; }

make_features() {
    lip2speech units --manifest $(manifests_of $train_lists) --extractor "${extractor:-mfcc}" --size "$num_units" \
        --out "$units"
    local common=(--units "$units" --out "$features" --jobs "$nj")
    if [ "${sync:-no}" = no ]; then
        lip2speech features --manifest $(manifests_of $train_lists dev "$test_list") "${common[@]}"
        return
    fi
    # Measured with the sound as it was recorded, once for what this stage is made from.
    if [ ! -f "$offsets" ] || [ "$(cat "$offsets.made" 2>/dev/null)" != "$_wanted" ]; then
        rm -f "$offsets.made"
        lip2speech features --manifest $(manifests_of $train_lists dev "$test_list") "${common[@]}"
        lip2speech sync --manifest $(manifests_of $train_lists dev) --also $(manifests_of "$test_list") \
            --features "$features" --out "$offsets" --waves "${offsets%.json}" --jobs "$nj"
        printf '%s\n' "$_wanted" >"$offsets.made"
    fi
    # The test list stays as it was recorded: nothing is made easier for the figures.
    lip2speech features --manifest $(manifests_of $train_lists dev) --offsets "$offsets" "${common[@]}"
}
# Settings of the machine, where the recipe has gpus: DEVICES
machine() {
    [ -z "${gpus:-}" ] || echo "trainer.accelerator=$([ "$gpus" = 0 ] && echo cpu || echo gpu)" "trainer.devices=$1"
}
train_acoustic() {
    local settings=($(machine $((${gpus:-1} > 0 ? ${gpus:-1} : 1))))
    [ -z "${reader:-}" ] || settings+=("data.reader=$reader")
    lip2speech train --config "$config" --out "$work" $(resume_of "$work") ${settings:+--set "${settings[@]}"}
}
train_vocoder() {
    local settings=("model.units=$num_units" $(machine 1)) list lists=""
    lip2speech vocoder --config "$vocoder_config" --out "$vocoder" $(resume_of "$vocoder") --set "${settings[@]}"
    [ "$tune_minutes" != 0 ] || { mkdir -p "$tuned" && cp -r "$vocoder/model" "$tuned/"; return; }
    for list in $train_lists; do
        mkdir -p "$work/predicted"
        shuf -n "${tune_clips:-1000000}" --random-source=<(yes) "$crops/$list/manifest.jsonl" \
            >"$work/predicted/$list.jsonl"
        lip2speech synthesize --acoustic "$work/model" --vocoder "$vocoder/model" --features "$features" \
            --manifest "$work/predicted/$list.jsonl" --out "$work/predicted" $(flow_options)
        lists+=${lists:+,}$work/predicted/$list.jsonl
    done
    # The judges count for less than before. On GRID: PESQ 1.93 after 20 minutes; 8 minutes at full weight gave 1.89.
    lip2speech vocoder --config "$vocoder_config" --out "$tuned" $(resume_of "$tuned") --set gan.after=0.0 \
        gan.adversarial=0.2 gan.features=1.0 gan.mel=30.0 \
        optim.lr=3.0e-4 optim.warmup_steps=50 data.train="[$lists]" data.predicted="$work/predicted" data.roughen=0.0 \
        trainer.init_from="$vocoder/model" trainer.max_minutes="$tune_minutes" "${settings[@]}"
}
synthesize_all() {
    local common=(--acoustic "$work/model" --vocoder "$tuned/model" --manifest "$crops/$test_list/manifest.jsonl"
        --features "$features" --protocol "$protocol")
    lip2speech synthesize "${common[@]}" --out "$work/copy" --copy
    lip2speech synthesize "${common[@]}" --out "$work/copy32" --copy --rounds 32
    lip2speech synthesize "${common[@]}" --out "$work/system" $(flow_options)
}
evaluate_all() {
    local moved=()
    [ "${sync:-no}" = no ] || moved=(--row moved="${offsets%.json}" --other-pauses natural --other-pauses moved)
    rm -f "$work/result/result.json"
    # A clip that could not be scored makes the status 1; it is counted in the page, which is written all the same.
    lip2speech evaluate --manifest "$crops/$test_list/manifest.jsonl" "${moved[@]}" --row copy="$work/copy" \
        --row copy32="$work/copy32" --row system="$work/system" --judge "$judge" --protocol "$protocol" \
        --out "$work/result" --pictures 3 --jobs "$nj" || [ -f "$work/result/result.json" ]
    lip2speech results --run "$work" --command "${0#"$top/"} $*" --out "$page"
}
