# Where the data of this recipe lie, and what is trained one after the other.
. "$top/tools/grid.sh"
manifests=data/manifests crops=data/crops puppets=data/puppet data_marks=data/.done
train_lists="train puppet_train" test_list=test_s1
features=data/features units=data/units.safetensors num_units=200
sync=yes offsets=data/offsets.json # GRID's clips are cut at whole frames, their sound is not
configs=()
if [ "$system" = shipped ]; then
    configs=("$here"/conf/{flow,flow_tuned,flow_frozen}.yaml)
    name=${name:-shipped} tune_minutes=${tune_minutes:-28}
fi
name=${name:-flow} tune_minutes=${tune_minutes:-10}
exp=exp/$name vocoder=exp/vocoder tuned=$exp/vocoder_tuned
tag=${tag:-steps${steps}_g${guidance}_t${temperature}_$protocol}
