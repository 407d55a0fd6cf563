# What belongs to LRW alone.

check_corpus() {
    [ -n "$corpus" ] || die "give the folder of LRW with --corpus"
    [ -d "$corpus" ] || die "$corpus is no folder"
    [ -f "$config" ] || die "no configuration $config"
}
make_manifests() {
    $train_cmd "$exp/log/prepare.log" vsr prepare lrw --corpus "$corpus" --out $manifests
    check_videos $train_list dev test
}
