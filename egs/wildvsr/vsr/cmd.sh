# Sourced by run.sh: which program runs each kind of command, here or on a cluster. A site sets its own before this line:
#   train_cmd="slurm.py --partition cpu" decode_cmd="slurm.py --partition cpu" cuda_cmd="slurm.py --partition gpu"
. "$top/tools/cmd.sh"
