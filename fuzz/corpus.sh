#!/usr/bin/env bash
# Fills fuzz/corpus with the good files of tests/data and with fuzz/seeds, which are no copies of others.
# An input that stands for several files has the line `--file--` between them.
set -euo pipefail
cd "$(dirname "$0")"
data=../tests/data/formats

# put TARGET NAME FILE...: one input, of the files one after another.
put() {
  local target=$1 name=$2 file separate=
  shift 2
  mkdir -p "corpus/$target"
  for file in "$@"; do
    [ -z "$separate" ] || printf '\n--file--\n'
    cat "$file"
    separate=yes
  done >"corpus/$target/$name"
}
# each TARGET FILE...: an input for each file.
each() {
  local target=$1 file
  shift
  for file in "$@"; do put "$target" "$(basename "$(dirname "$file")")-$(basename "$file")" "$file"; done
}

each safetensors "$data"/gguf/{plain,gpt-oss}.safetensors "$data"/pytorch/{dtypes,fp8,views}.safetensors "$data"/npz/*.expected.safetensors
for folder in "$data"/quantized/*/; do
  files=("$folder"/model.safetensors)
  [ ! -f "$folder/config.json" ] || files+=("$folder"/config.json)
  put quantized "$(basename "$folder")" "${files[@]}"
done
for file in "$data"/pytorch/*.{pt,pth,bin,ckpt} "$data"/pytorch/refused/*.{pt,bin} "$data"/pytorch/sharded/*.bin; do
  case $(head -c 2 "$file") in
    PK) each pytorch_zip "$file" ;;
    *) each pytorch_legacy "$file" ;;
  esac
done
for name in llama2 llama3; do
  put slices $name "$data"/pytorch/$name/params.json "$data"/pytorch/$name/consolidated.0{0,1}.pth
done
for name in plain blocks float4 iq k llama bert gemma3 gpt-oss; do each gguf "$data/gguf/$name.gguf"; done
put gguf split "$data"/gguf/llama-split-*.gguf
each npy "$data"/npz/*.npy "$data"/npz/arrays/*.npy
each npz "$data"/npz/*.npz
each onnx "$data"/onnx/{constants,dynamic,int4,nbits,quantized,raw,scaleless,typed}.onnx
put onnx external "$data"/onnx/external.onnx{,.data}
each keras_hdf5 "$data"/keras/*.{h5,hdf5} "$data"/keras/tf/*.h5
each keras_archive "$data"/keras/*.keras
each flax "$data"/flax/*.msgpack "$data"/flax/{hub,shards}/*.msgpack
for folder in "$data"/adapters/peft/*/; do
  put adapter_peft "$(basename "$folder")" "$folder"/adapter_config.json "$folder"/*.safetensors
done
each adapter_file "$data"/adapters/files/*.safetensors
store=../tests/golden/store/sketches
each sketch $store/[a-f0-9]*.safetensors
put store whole $store/sketches.json $store/{index,a5*}.safetensors
put store indexless $store/sketches.json
each resume ../tests/golden/store/partial-sums
each json ../tests/golden/*.json ../tests/golden/first/*.json ../tests/data/zoo/truth.json
for folder in seeds/*/; do each "$(basename "$folder")" "$folder"*; done
# A pass over three changes, for the target that makes its file by itself.
printf '\0\x10\0\1\x30\x40\0\2\x31\x80\0\3\0' >corpus/resume/changes
du -sh corpus | cut -f1
