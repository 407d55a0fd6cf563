# What belongs to LRS2 alone.
dev="" train_list=train_all
[ "$hours" != 28 ] || train_list=train

check_corpus() {
    [ -n "$corpus" ] || die "give the folder of LRS2 with --corpus"
    [ -d "$corpus/main" ] || [ -d "$corpus/mvlrs_v1/main" ] || die "$corpus has no folder main: it is not LRS2"
    [ -f "$config" ] || die "no configuration $config"
}
check_test() {
    [ -n "$corpus" ] || die "give the folder of LRS2 with --corpus"
    [ -d "$corpus/main" ] || [ -d "$corpus/mvlrs_v1/main" ] || die "$corpus has no folder main: it is not LRS2"
}
make_manifests() {
    $train_cmd "$exp/log/prepare.log" \
        vsr prepare lrs2 --corpus "$corpus" ${lists:+--lists "$lists"} --out $manifests
    check_videos $train_list dev test
}
