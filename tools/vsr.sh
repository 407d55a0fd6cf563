# Stages of every lip reader. Source it after tools/recipe.sh; it uses the recipe's variables:
#   crops exp (folders), tag (of a way of decoding), page (RESULTS.md), nj, gpus (0), settings (KEY=VALUE ... of training)
#   store (how crops lie on disk; not set: arrays)
#   model (what reads, where it is no model/ of exp), config average, beam ctc_weight (not set: the verb's own)
# What a list was decoded to and scored lies in $exp/decode_LIST_TAG, the log of each command in $exp/log.

device() { if [ "${gpus:-0}" = 0 ]; then echo cpu; else echo cuda; fi; }
place_of() { echo "$exp/decode_$1_$tag"; } # LIST
search() { echo ${beam:+--beam "$beam"} ${ctc_weight:+--ctc-weight "$ctc_weight"}; }

crop_list() { # LIST MANIFEST
    $train_cmd --num-threads "$nj" "$exp/log/crop_$1.log" vsr crop --manifest "$2" --out "$crops/$1" --jobs "$nj" \
        ${store:+--store "$store"}
}
make_tokens() { # MANIFEST OPTION...
    $train_cmd "$exp/log/tokens.log" vsr tokens --manifest "$1" --out "${tokens_folder:-data/tokens}" "${@:2}"
}
train_run() { # CONFIG FOLDER [KEY=VALUE...]
    local resume="" accelerator=cpu
    [ ! -f "$2/last.pt" ] || resume=--resume
    [ "${gpus:-0}" = 0 ] || accelerator=gpu
    $cuda_cmd --gpu "${gpus:-0}" "$2/log/train.log" vsr train --config "$1" --out "$2" $resume \
        --set trainer.accelerator=$accelerator trainer.devices=$((${gpus:-0} > 0 ? gpus : 1)) "${@:3}" ${settings:-}
}
average_epochs() {
    [ "${average:-0}" = 0 ] ||
        $train_cmd "$exp/log/average.log" vsr average --exp "$exp" --last "$average" --out "$exp/model"
}
decode_list() { # LIST MANIFEST [OPTION...]
    $decode_cmd --gpu "${gpus:-0}" "$exp/log/decode_$1_$tag.log" vsr decode --model "${model:-$exp/model}" --manifest "$2" \
        --out "$(place_of "$1")/hyp.jsonl" --device "$(device)" $(search) "${@:3}"
}
score_list() { # LIST REFERENCE [SUFFIX [OPTION...]]
    local place own=${3:-}
    place=$(place_of "$1")
    $decode_cmd "$exp/log/score_$1_$tag$own.log" vsr score --ref "$2" --hyp "$place/hyp.jsonl" \
        --json "$place/score$own.json" --tsv "$place/score$own.tsv" --wer "$place/wer$own" "${@:4}"
}
prior_note() { # TRAINING-LIST LIST=REFERENCE...: what is right without video
    local pair
    printf 'Without video, the most frequent word of each place in the training list:'
    for pair in "${@:2}"; do
        printf ' %s %s.' "${pair%%=*}" "$(vsr score --ref "${pair#*=}" --prior "$1" | sed 's/ *CER.*//')"
    done
}
write_page() { # LISTS RECIPE ARGUMENTS...
    $decode_cmd "$exp/log/results_$tag.log" vsr results --run "$exp" --tag "$tag" --lists $1 --command "${*:2}" \
        --out "$page" ${model:+--model "$model"} ${note:+--note "$note"}
}
