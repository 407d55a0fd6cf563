# Where the data of this recipe lie.
. "$top/tools/puppet.sh"
puppets=data/puppet crops=data/crops data_marks=data/.done
