# ONNX Runtime's shared library, pinned by version and checksum, taken out of its Python wheel. Sourced by ./x.

ONNXRUNTIME_VERSION=1.31.1
ONNXRUNTIME_DIR=.citybrain/onnxruntime

install_onnxruntime() {
    local library="$ONNXRUNTIME_DIR/libonnxruntime.so.$ONNXRUNTIME_VERSION" wheel_sha library_sha platform work
    case "$(uname -m)" in
        x86_64)
            platform=manylinux_2_28_x86_64
            wheel_sha=5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f
            library_sha=fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3
            ;;
        aarch64)
            platform=manylinux_2_28_aarch64
            wheel_sha=da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3
            library_sha=8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467
            ;;
        *) fail "no ONNX Runtime is pinned for $(uname -m): set CITYBRAIN_ONNXRUNTIME to a libonnxruntime.so" ;;
    esac
    if [ -e "$library" ] && sha256sum --status -c - <<<"$library_sha  $library"; then return; fi
    say "downloading ONNX Runtime $ONNXRUNTIME_VERSION, which runs the models, into $ONNXRUNTIME_DIR"
    mkdir -p "$ONNXRUNTIME_DIR"
    work=$(mktemp -d)
    printf 'onnxruntime==%s --hash=sha256:%s\n' "$ONNXRUNTIME_VERSION" "$wheel_sha" >"$work/requirements.txt"
    python3 -m pip download --quiet --no-deps --require-hashes --only-binary=:all: --dest "$work" \
        --platform "$platform" --python-version 3.11 --implementation cp --abi cp311 -r "$work/requirements.txt"
    python3 - "$work" "$library" <<'PY'
import glob, pathlib, sys, zipfile
work, library = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(f"{work}/*.whl")[0])
name = next(n for n in wheel.namelist() if pathlib.PurePath(n).name == pathlib.PurePath(library).name)
pathlib.Path(library + ".part").write_bytes(wheel.read(name))
pathlib.Path(library + ".part").rename(library)
PY
    rm -rf "$work"
    sha256sum --status -c - <<<"$library_sha  $library" || fail "$library does not have the pinned checksum"
}
