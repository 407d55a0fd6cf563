# What belongs to LRS3 alone.
train_list=train_${hours}h

check_corpus() {
    [ -n "$corpus" ] || die "give the folder of LRS3 with --corpus"
    [ -d "$corpus/trainval" ] && [ -d "$corpus/test" ] || die "$corpus has no folders trainval and test: it is not LRS3"
    case $hours in
        433) [ -d "$corpus/pretrain" ] || die "$corpus has no folder pretrain: use --hours 30" ;;
        438) [ -n "$dev" ] || die "438 h hold nothing back, and the test list may not choose: give another list with --dev" ;;
    esac
    [ -f "$config" ] || die "no configuration $config"
}
check_test() {
    [ -n "$corpus" ] || die "give the folder of LRS3 with --corpus"
    [ -d "$corpus/test" ] || die "$corpus has no folder test: it is not LRS3"
}
make_manifests() {
    $train_cmd "$exp/log/prepare.log" \
        vsr prepare lrs3 --corpus "$corpus" ${lists:+--lists "$lists"} --out $manifests
    check_videos $train_list dev test
}
