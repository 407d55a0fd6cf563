# Which program runs the commands of the stages, unless a recipe's cmd.sh or the environment says another:
#   run.py     on this machine
#   slurm.py   as a job of SLURM and waits for it, such as "slurm.py --partition long --time 24:00:00"
# Both are in tools/parallel and take what Kaldi's run.pl and slurm.pl take: [OPTION...] [JOB=1:N] LOG COMMAND...
export train_cmd=${train_cmd:-run.py}    # corpora, crops, features: processors
export decode_cmd=${decode_cmd:-run.py}  # decoding, synthesis, scores
export cuda_cmd=${cuda_cmd:-run.py}      # training: GPUs, where the recipe is given any
