# Stages 0 to 2 of the recipes on GRID. Source it after tools/recipe.sh; it uses the recipe's variables:
#   corpus ("": fetched into data/GRID), manifests puppets crops exp (folders), puppet puppet_test (rendered clips), nj
#   made_crops (crops that another recipe made of the same videos, "": none)

grid_lists="train dev test_s1 test_s2s5 unseen"

check_grid() {
    local place=${corpus:-data/GRID}
    [ -n "$corpus" ] || $train_cmd "$exp/log/download.log" \
        vsr download grid --out $place --speakers s1 s2 s3 s4 s5 s30 s31 s32 s33 s34
    [ -d "$place/s1" ] || die "$place has no folder s1: it is not GRID (https://zenodo.org/records/3625687, CC BY 4.0)"
}
make_grid_manifests() {
    $train_cmd "$exp/log/prepare_grid.log" vsr prepare grid --corpus "${corpus:-data/GRID}" --out $manifests
    $train_cmd "$exp/log/prepare_puppet.log" \
        vsr prepare puppet --out $puppets --train "$puppet" --dev 10 --test "$puppet_test" --jobs "$nj"
}
crop_grid() {
    local list
    for list in $grid_lists; do crop_grid_list $list $manifests/$list.jsonl; done
    for list in train dev test; do crop_grid_list puppet_$list $puppets/$list.jsonl; done
}
crop_grid_list() { # LIST MANIFEST
    [ -z "$made_crops" ] || take_crops "$made_crops/$1" "$crops/$1"
    $train_cmd --num-threads "$nj" "$exp/log/crop_$1.log" vsr crop --manifest "$2" --out "$crops/$1" --jobs "$nj"
}
# Crops and what they were made from, so that `vsr crop` keeps those of the same videos and makes the others.
take_crops() { # FROM TO
    [ ! -f "$2/.made.jsonl" ] || return 0
    [ -f "$1/.made.jsonl" ] || { log "$1 does not say what its crops were made from: they are made here"; return 0; }
    mkdir -p "$2"
    find "$(realpath "$1")" -maxdepth 1 -name '*.npy' -exec cp -lt "$2" {} + 2>/dev/null ||
        find "$(realpath "$1")" -maxdepth 1 -name '*.npy' -exec cp -t "$2" {} +
    cp "$1/.made.jsonl" "$2/"
}
