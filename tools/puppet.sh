# Stages 1 and 2 of the recipes on the puppet. Source it after tools/recipe.sh; it uses the recipe's variables:
#   puppets crops exp (folders), train dev test (clips), nj

render_puppet() {
    $train_cmd --num-threads "$nj" "$exp/log/prepare.log" \
        vsr prepare puppet --out $puppets --train "$train" --dev "$dev" --test "$test" --jobs "$nj"
}
crop_puppet() {
    local list
    for list in train dev test; do
        $train_cmd --num-threads "$nj" "$exp/log/crop_$list.log" \
            vsr crop --manifest $puppets/$list.jsonl --out $crops/$list --jobs "$nj"
    done
}
