#!/bin/sh
# Start the job script of snakemake in the background and print a number for it, as sbatch or qsub do.
set -eu
mkdir -p _build/submitted
number=$(basename "$1")
nohup sh "$1" > "_build/submitted/$number.log" 2>&1 &
echo "$!"
