#!/bin/sh
# Tests and times the CUDA backend on a machine with an NVIDIA device, in about ten minutes: sh run.sh
# Requires NVIDIA's driver; uses compute-sanitizer and PyTorch if available. Writes results.md, logs and pictures to the
# folder results/ next to this script.
#
# sh run.sh --without-gpu   tests the script itself on a stand-in that interprets the kernels; its figures are meaningless
cd "$(dirname "$0")" || exit 1
mkdir -p results
out=results/results.md
failures=0

if [ "$1" = --without-gpu ]; then
    export LD_PRELOAD="$PWD/libptx_runner.so" # its soname is libcuda.so
    device="ptx-runner: no GPU, all figures are meaningless" size=24 iterations=2 sizes="--test"
    cases=vector session=a_session_is_the_cpus golden=f32 patience=10
else
    device=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null | head -n 1)
    size=512 iterations=200 sizes="--bench" cases="" session="" golden="" patience=1
    if [ -z "$device" ]; then
        echo "nvidia-smi shows no device; install NVIDIA's driver, or test this script with sh run.sh --without-gpu" >&2
        exit 1
    fi
fi

say() { echo "$*" | tee -a "$out"; }
# run SECONDS NAME COMMAND...: runs a command with a time limit; output goes to results/NAME.log
run() {
    seconds=$(($1 * patience)) name=$2
    shift 2
    begun=$(date +%s)
    timeout "$seconds" "$@" >"results/$name.log" 2>&1
    code=$?
    took=$(($(date +%s) - begun))
    if [ $code = 0 ]; then
        say "- $name: passed in $took s"
    else
        failures=$((failures + 1))
        say "- $name: FAILED with status $code after $took s; see results/$name.log"
    fi
}

: >"$out"
say "# $device"
say ""
say "$(uname -sm), $(date -u +%Y-%m-%d)"
say ""
say "## Tests"
say ""
run 180 conformance ./conformance $cases
say "  $(grep '^test result' results/conformance.log)"
run 60 session ./session $session
run 60 golden ./golden --nocapture $golden
for precision in f32 f16 bf16; do
    run 60 "stylize-$precision" ./stylize cat.jpg swirls.jpg -o "results/$precision.png" --size $size \
        --iterations $iterations --backend cuda --precision $precision --log "results/$precision.jsonl"
    if [ -s "results/$precision.jsonl" ]; then say "  last line: $(tail -n 1 "results/$precision.jsonl" | cut -c 1-160)"; fi
done
if command -v compute-sanitizer >/dev/null; then
    run 120 memcheck compute-sanitizer --tool memcheck --error-exitcode 9 ./session a_session_is_the_cpus
    run 120 racecheck compute-sanitizer --tool racecheck --error-exitcode 9 ./session a_session_is_the_cpus
else
    say "- compute-sanitizer: not installed"
fi
say ""
say "## Times"
say ""
run 180 bench ./bench $sizes
cat results/bench.log >>"$out"
say ""
say "## PyTorch on the same device"
say ""
if [ "$1" != --without-gpu ] && python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    for variant in channels_last contiguous; do
        run 120 "pytorch-$variant" python3 pytorch_iteration.py --size 512 --device cuda --repeat 20 --variant $variant
        say "  $(tail -n 1 results/pytorch-$variant.log)"
    done
else
    say "Not measured: python3 has no PyTorch with CUDA."
fi
say ""
say "$failures failed."
[ $failures = 0 ]
