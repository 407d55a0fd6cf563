# What belongs to WildVSR alone: it has no other list than its test.
check_test() {
    [ -n "$corpus" ] || die "give the folder of WildVSR with --corpus"
    [ -f "$corpus/labels.json" ] || [ -f "$corpus/WildVSR/labels.json" ] || die "$corpus has no labels.json: it is not WildVSR"
}
make_test_manifest() { # KIND
    $train_cmd "$exp/log/prepare.log" vsr prepare "$1" --corpus "$corpus" --out $manifests
    check_videos test
}
