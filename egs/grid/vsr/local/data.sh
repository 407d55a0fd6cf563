# Where the data of this recipe lie, and what its test lists are compared with.
. "$top/tools/grid.sh"
manifests=data/manifests crops=data/crops puppets=data/puppet data_marks=data/.done
grid_tests="test_s1 test_s2s5 unseen puppet_test"

reference_of() { # LIST
    case $1 in
        puppet_test) echo $puppets/test.jsonl ;;
        test_s1_*) echo $manifests/test_s1.jsonl ;;
        *) echo $manifests/$1.jsonl ;;
    esac
}

# Phonemes and visemes: the letters of the corpus as its British speakers say them come before the dictionary.
make_grid_tokens() { # KIND
    case $1 in
        char) make_tokens $manifests/train.jsonl --kind char ;;
        *) tokens_folder=data/$1 make_tokens $manifests/train.jsonl --kind "$1" \
            --dictionary "$here/local/letters.txt" cmu espeak ;;
    esac
}

# The reader of pixels in three parts, the reader of tracks, and both as one: a recipe of its own.
make_what_ships() {
    [ -n "$corpus" ] && [ -n "$landmarks" ] || die "--system shipped needs --corpus and --landmarks; see --help"
    local last=$stop_stage
    [ "$last" -lt 7 ] || last=7
    exec "$here/fused.sh" --corpus "$corpus" --landmarks "$landmarks" --stage "$stage" --stop-stage "$last" --nj "$nj"
}
