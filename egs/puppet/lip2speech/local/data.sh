# Where the data of this recipe lie.
. "$top/tools/puppet.sh"
puppets=data/puppet crops=data/crops data_marks=data/.done
train_lists=train test_list=test features=data/features units=data/units.safetensors num_units=50
