#!/usr/bin/env bash
# Rows of RESULTS.md for readers that are there by name: what ships, free and with GRID's grammar.
#
#   stage 1  mouth crops of the test lists, and their tracks      2  decode, score, RESULTS.md
#
# Example: egs/grid/vsr/local/shipped_rows.sh --work WORK    (a --work of run.sh, after its stage 1)

set -euo pipefail
recipe=$(dirname "$0")/..
. "$recipe/path.sh"
. "$recipe/cmd.sh"
. "$top/tools/recipe.sh"
. "$top/tools/vsr.sh"
last_stage=2
declare_options <<'TABLE'
    work        DIR             .                           holds data/manifests and data/puppet; exp/ goes there
    readers     NAME...         grid-tracks                 models, in one word: "grid grid-tracks"
    ways        NAME...         free                        free or grammar, or both in one word
    nj          N               2                           processes
TABLE
parse_options "$@"
exp=exp/shipped
. "$here/local/data.sh"
data_marks=$exp/.done crops=$exp/crops
begin_in "$work"
page=$PWD/RESULTS.md arpa=exp/shipped/grid.arpa

crop_tests() {
    local list
    for list in $grid_tests; do
        $train_cmd --num-threads "$nj" "$exp/log/crop_$list.log" \
            vsr crop --manifest "$(reference_of $list)" --out "$crops/$list" --jobs "$nj" --tracks
    done
}
# One folder for each reader, one tag for each way: `vsr results` names a row by both.
read_all() { # SCRIPT ARGUMENTS...
    local model way tag list extra
    "$venv/bin/python" -c 'from vsr.decoding.posteriors import grammar_text; print(grammar_text("grid"), end="")' >$arpa
    for model in $readers; do
        for way in $ways; do
            tag=$way extra=""
            [ "$way" = free ] || extra="--ngram $arpa"
            exp=exp/shipped/$model
            for list in $grid_tests; do
                decode_list $list $crops/$list/manifest.jsonl $extra
                score_list $list "$(reference_of $list)"
            done
            write_page "$grid_tests" "$@"
        done
    done
}

run_stage 1 "mouth crops of the test lists, and their tracks" crop_tests
run_stage 2 "decode, score" read_all egs/grid/vsr/local/shipped_rows.sh "$@"
finish "figures: $page"
