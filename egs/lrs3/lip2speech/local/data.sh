# What belongs to LRS3 alone: speakers that training does not hear.
manifests=data/manifests crops=data/crops data_marks=data/.done train_lists=train test_list=test
features=data/features units=data/units.safetensors

check_corpus() {
    [ -n "$corpus" ] || die "give the folder of LRS3 with --corpus"
    [ -d "$corpus/trainval" ] && [ -d "$corpus/test" ] || die "$corpus has no folders trainval and test: it is not LRS3"
    local part
    for part in train val test; do
        [ -f "$lists/lrs3_unseen_$part.txt" ] || die "--lists: '$lists' holds no lrs3_unseen_$part.txt"
    done
    [ -f "$config" ] || die "no configuration $config"
    [ -n "$reader" ] || log "no --reader: the shipped lip reader, which knows GRID's sentences alone, is the encoder"
}
make_manifests() {
    $train_cmd "$exp/log/prepare.log" vsr prepare lrs3 --corpus "$corpus" --lists "$lists" --out $manifests
    $train_cmd --num-threads "$nj" "$exp/log/validate.log" \
        vsr validate --manifest $manifests/unseen_{train,val,test}.jsonl --jobs "$nj" --report $manifests/validation.json
}
crop_lists() {
    local own
    for own in train:unseen_train dev:unseen_val test:unseen_test; do
        $train_cmd --num-threads "$nj" "$exp/log/crop_${own%:*}.log" \
            vsr crop --manifest $manifests/${own#*:}.jsonl --out $crops/${own%:*} --jobs "$nj"
    done
}
