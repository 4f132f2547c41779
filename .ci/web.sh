#!/usr/bin/env bash
# Writes the page that paints in the browser, without a server: bash .ci/web.sh [FOLDER], by default out/web
#
# Needs a Rust toolchain with the target wasm32-unknown-unknown. Any web server that serves files can serve the folder.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."

case ${1:-} in
    "") folder=$PWD/out/web ;;
    /*) folder=$1 ;;
    *) folder=$here/$1 ;;
esac
build=${CARGO_TARGET_DIR:-target}
manifest=style-web/Cargo.toml

built() { # NAME FEATURE: the engine with this feature, as NAME.js and NAME_bg.wasm
    CARGO_TARGET_DIR=$build CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="-C target-feature=+simd128" \
        cargo build --release --locked --manifest-path "$manifest" --target wasm32-unknown-unknown \
        --no-default-features --features "$2"
    "$build/debug/bindgen" "$build/wasm32-unknown-unknown/release/style_web.wasm" "$folder" "$1"
    echo "$folder: $(wc -c <"$folder/$1_bg.wasm") bytes of WebAssembly for the $2"
}
# Without optimisation: it takes two seconds for a module, and half the time to build.
CARGO_TARGET_DIR=$build cargo build --locked --manifest-path "$manifest" -p bindgen

rm -rf "$folder"
mkdir -p "$folder/samples"
built style_web cpu
built style_web_gpu gpu
cp -r web/{style.css,icon.svg,main.js,engine.js,engine-wasm.js,worker.js,worker,store.js,ui} "$folder"
cp stylize/samples/{*.jpg,LICENSES.md} "$folder/samples"
cp LICENSE-MIT LICENSE-APACHE NOTICE "$folder"

# A server of files may send no headers, so the page has its policy itself.
policy="default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' blob:;"
policy="$policy connect-src 'self'; base-uri 'none'; form-action 'none'"
sed -e 's|data-engine="./engine-server.js"|data-engine="./engine-wasm.js"|' \
    -e "s|^<meta charset=\"utf-8\">\$|&\n<meta http-equiv=\"Content-Security-Policy\" content=\"$policy\">|" \
    web/index.html >"$folder/index.html"
grep -q 'data-engine="./engine-wasm.js"' "$folder/index.html"
grep -q 'Content-Security-Policy' "$folder/index.html"
