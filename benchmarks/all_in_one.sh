#!/bin/sh
# The whole path on the collection: 21 data sets with outputs of published methods, 27 of sources alone.
#
#   sh benchmarks/all_in_one.sh OUT [--set steps=2400] [--set KEY=VALUE ...]
#
# Four data sets are never learned from and ranked among their published methods. OUT/lab is the lab,
# OUT/lab-report and OUT/lab-leaderboard the pages; docs/results.md has the tables. Begun again, it goes on.
set -e
here=$(cd "$(dirname "$0")" && pwd)
out=$1
shift
for folder in "$here"/../../shared/train/*/*/; do
    task=$(basename "$(dirname "$folder")")
    name=t_$(basename "$folder")
    [ -e "$out/manifests/$task-$name.yaml" ] ||
        fusionlab init "$folder" --task "$task" --name "$name" --out "$out/manifests/$task-$name.yaml" > /dev/null
done
fusionlab run all_in_one --set "lab=$out/lab" --set "ingest.manifests=[$here/manifests,$out/manifests]" \
    --set baselines.methods=gff,laplacian,dual_tree,wls,mertens,focus_map,decision_map \
    --set test=ivf/vifb,mif/harvard_ct_mri,mff/lytro,mef/mefdb \
    --set 'unseen.dataset=[vifb,harvard_ct_mri,lytro,mefdb]' \
    --set evaluate.datasets=vifb,harvard_ct_mri,lytro,mefdb "$@"
