# Stages 8 and 9: GRID's grammar as a graph of k2, in the environment of tools/k2.sh.
graph_lists="test_s1_ctc_graph test_s1_hlg test_s1_hlg_rescored"
k2=$(realpath -m "${K2_VENV:-$top/.venv-k2}")
graph_note="test_s1_ctc_graph: the CTC head's best path in k2's topology; test_s1_hlg: with lexicon and grammar of GRID as
one graph; test_s1_hlg_rescored: the 10 best of that, in the order of the attention decoder. See GRAPHS.md."
[ "$graphs" = no ] || [ -x "$k2/bin/python" ] || die "no $k2: make it with tools/k2.sh, or name it with K2_VENV"

# Without a grammar, with GRID's, and the ten best of that rescored by the attention decoder.
decode_graphs() {
    local manifest=$crops/test_s1/manifest.jsonl best
    best=$(place_of test_s1_hlg)/hyp.jsonl
    $decode_cmd "$exp/log/posteriors.log" \
        vsr posteriors --model "$exp/model" --manifest $manifest --grammar grid --out "$exp/posteriors"
    lattice test_s1_ctc_graph --method ctc
    lattice test_s1_hlg --method hlg --nbest 10
    mkdir -p "$(place_of test_s1_hlg_rescored)"
    $decode_cmd "$exp/log/rescore_$tag.log" vsr rescore --model "$exp/model" --manifest $manifest --nbest "$best" \
        --weight "$ctc_weight" --out "$(place_of test_s1_hlg_rescored)/hyp.jsonl"
}
lattice() { # LIST OPTION...
    mkdir -p "$(place_of "$1")"
    $decode_cmd "$exp/log/$1_$tag.log" "$k2/bin/python" "$top/vsr/decoding/lattice.py" "$exp/posteriors" "${@:2}" \
        --out "$(place_of "$1")/hyp.jsonl"
}
score_graphs() { # RECIPE ARGUMENTS...
    local list note=$graph_note
    for list in $graph_lists; do score_list $list "$(reference_of $list)"; done
    write_page "$grid_tests $graph_lists" "$@"
}
graph_stages() { # RECIPE ARGUMENTS...
    run_stage 8 "decode graphs" decode_graphs
    run_stage 9 "score graphs" score_graphs "$@"
}
