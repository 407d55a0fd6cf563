#!/usr/bin/env bash
# GRID, visual speech recognition: from the corpus to RESULTS.md.
#
#   stage 0  check or fetch the corpus   4  train
#   stage 1  manifests                   5  average the last epochs (average > 0), else take the running average
#   stage 2  mouth crops                 6  decode
#   stage 3  tokens                      7  score, RESULTS.md
#
# Options: --corpus DIR (the folder with s1, s2, ...; without it the public record is fetched)
#          --config YAML  --name RUN  --puppet N (rendered clips to add)  --average N  --beam N
#          --ctc-weight W  --graphs yes (also with GRID's grammar as a graph of k2, in the environment of tools/k2.sh)
#          --stage N  --stop-stage N  --nj N  --gpus N
# Example: egs/grid/vsr/run.sh --corpus ../shared/data/grid

set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
venv=$(realpath -m "${VENV:-$top/.venv}")
here=$top/egs/grid/vsr
corpus="" config=conf/video_transformer.yaml name="" puppet=160 average=0 beam=10 ctc_weight=0.1
graphs=no stage=0 stop_stage=7 nj=2 gpus=0
options="corpus config name puppet average beam ctc_weight graphs stage stop_stage nj gpus"
. "$top/tools/recipe.sh"
parse_options "$@"
[ -z "$corpus" ] || corpus=$(realpath -m "$corpus")
corpus=${corpus:-data/GRID}
cd "$here"
export PATH="$venv/bin:$PATH"
name=${name:-$(basename "$config" .yaml)}
work=exp/$name data_marks=data/.done manifests=data/manifests crops=data/crops puppets=data/puppet tokens=data/tokens
lists="train dev test_s1 test_s2s5 unseen"
tests="test_s1 test_s2s5 unseen puppet_test"
graph_lists="" note="" k2=$(realpath -m "${K2_VENV:-$top/.venv-k2}")
if [ "$graphs" != no ]; then
    [ -x "$k2/bin/python" ] || die "no $k2: make it with tools/k2.sh, or name it with K2_VENV"
    graph_lists="test_s1_ctc_graph test_s1_hlg test_s1_hlg_rescored"
    note="test_s1_ctc_graph: the CTC head's best path in k2's topology; test_s1_hlg: with lexicon and grammar of GRID as
one graph; test_s1_hlg_rescored: the 10 best of that, in the order of the attention decoder. See GRAPHS.md."
fi

check_corpus() {
    [ "$corpus" != data/GRID ] || vsr download grid --out data/GRID --speakers s1 s2 s3 s4 s5 s30 s31 s32 s33 s34
    [ -d "$corpus/s1" ] || die "$corpus has no folder s1: it is not GRID (https://zenodo.org/records/3625687, CC BY 4.0)"
}
make_manifests() {
    vsr prepare grid --corpus "$corpus" --out $manifests
    vsr prepare puppet --out $puppets --train "$puppet" --dev 10 --test 60 --jobs "$nj"
}
crop_all() {
    local list
    for list in $lists; do vsr crop --manifest $manifests/$list.jsonl --out $crops/$list --jobs "$nj"; done
    for list in train dev test; do vsr crop --manifest $puppets/$list.jsonl --out $crops/puppet_$list --jobs "$nj"; done
}
train() {
    local resume=() device=cpu
    [ ! -f "$work/last.pt" ] || resume=(--resume)
    [ "$gpus" = 0 ] || device=gpu
    vsr train --config "$config" --out "$work" "${resume[@]}" \
        --set trainer.accelerator=$device trainer.devices=$((gpus > 0 ? gpus : 1))
}
average_epochs() {
    [ "$average" = 0 ] || vsr average --exp "$work" --last "$average" --out "$work/model"
}
decode_all() {
    local list
    vsr decode --model "$work/model" --manifest $crops/dev/manifest.jsonl --out "$work/dev.jsonl" \
        --beam "$beam" --ctc-weight "$ctc_weight" --calibrate
    for list in $tests; do
        vsr decode --model "$work/model" --manifest $crops/$list/manifest.jsonl --out "$work/$list.jsonl" \
            --beam "$beam" --ctc-weight "$ctc_weight"
    done
    [ -z "$graph_lists" ] || decode_graphs
}
# Without a grammar, with GRID's, and the ten best of that rescored by the attention decoder.
decode_graphs() {
    local manifest=$crops/test_s1/manifest.jsonl lattice=("$k2/bin/python" "$top/vsr/decoding/lattice.py" "$work/posteriors")
    vsr posteriors --model "$work/model" --manifest $manifest --grammar grid --out "$work/posteriors"
    "${lattice[@]}" --method ctc --out "$work/test_s1_ctc_graph.jsonl"
    "${lattice[@]}" --method hlg --nbest 10 --out "$work/test_s1_hlg.jsonl"
    vsr rescore --model "$work/model" --manifest $manifest --nbest "$work/test_s1_hlg.jsonl" --weight "$ctc_weight" \
        --out "$work/test_s1_hlg_rescored.jsonl"
}
score_all() {
    local list
    for list in $tests $graph_lists; do
        vsr score --ref ${manifest_of[$list]} --hyp "$work/$list.jsonl" --json "$work/result/$list.json" \
            --tsv "$work/result/$list.tsv"
    done
    vsr results --run "$work" --command "egs/grid/vsr/run.sh $*" --note "$note" --out RESULTS.md
}
declare -A manifest_of=([puppet_test]=$puppets/test.jsonl)
for list in test_s1 test_s2s5 unseen; do manifest_of[$list]=$manifests/$list.jsonl; done
for list in $graph_lists; do manifest_of[$list]=$manifests/test_s1.jsonl; done

run_stage 0 "check or fetch the corpus" check_corpus
run_stage 1 "manifests of GRID, and puppet clips" make_manifests
run_stage 2 "mouth crops" crop_all
run_stage 3 "tokens" vsr tokens --manifest $manifests/train.jsonl --kind char --out $tokens
run_stage 4 "train $work" train
run_stage 5 "average" average_epochs
run_stage 6 "decode" decode_all
run_stage 7 "score" score_all "$@"
log "figures: $here/RESULTS.md"
