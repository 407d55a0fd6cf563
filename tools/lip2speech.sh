# Stages 3 to 7 of every lip-to-speech recipe. Source it after tools/recipe.sh and set:
#   crops (folder of crops), train_lists test_list (names in it), features units (paths), reader ("": the shipped one)
#   config vocoder_config, work vocoder tuned (folders of the runs), tune_minutes, steps guidance temperature protocol
#   judge nj, page (path of RESULTS.md)

manifests_of() {
    local list
    for list in "$@"; do printf '%s\n' "$crops/$list/manifest.jsonl"; done
}
resume_of() { [ ! -f "$1/last.pt" ] || echo --resume; }
flow_options() { echo --steps "$steps" --guidance "$guidance" --temperature "$temperature"; }

make_features() {
    [ -f "$units" ] || lip2speech units --manifest $(manifests_of $train_lists) --size "$num_units" --out "$units"
    lip2speech features --manifest $(manifests_of $train_lists dev "$test_list") --units "$units" --out "$features"
}
train_acoustic() {
    lip2speech train --config "$config" --out "$work" $(resume_of "$work")
}
train_vocoder() {
    lip2speech vocoder --config "$vocoder_config" --out "$vocoder" $(resume_of "$vocoder")
    [ "$tune_minutes" != 0 ] || { mkdir -p "$tuned" && cp -r "$vocoder/model" "$tuned/"; return; }
    local list
    for list in $train_lists; do
        lip2speech synthesize --acoustic "$work/model" --vocoder "$vocoder/model" --features "$features" \
            --manifest "$crops/$list/manifest.jsonl" --out "$work/predicted" $(flow_options)
    done
    lip2speech vocoder --config "$vocoder_config" --out "$tuned" $(resume_of "$tuned") --set gan.after=0.0 \
        optim.lr=3.0e-4 optim.warmup_steps=50 data.predicted="$work/predicted" data.roughen=0.0 \
        trainer.init_from="$vocoder/model" trainer.max_minutes="$tune_minutes"
}
synthesize_all() {
    local common=(--acoustic "$work/model" --vocoder "$tuned/model" --manifest "$crops/$test_list/manifest.jsonl"
        --features "$features" --protocol "$protocol")
    lip2speech synthesize "${common[@]}" --out "$work/copy" --copy
    lip2speech synthesize "${common[@]}" --out "$work/system" $(flow_options)
}
evaluate_all() {
    lip2speech evaluate --manifest "$crops/$test_list/manifest.jsonl" --row copy="$work/copy" \
        --row system="$work/system" --judge "$judge" --protocol "$protocol" --out "$work/result" --pictures 3 --jobs "$nj"
    lip2speech results --run "$work" --command "$0 $*" --out "$page"
}
