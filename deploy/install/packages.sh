# Debian packages, each with the reason why it is needed. Sourced by ./x.

RUN_PACKAGES=(
    "build-essential:linker and C compiler for the few dependencies with C code"
    "pkg-config:finds the libraries below"
    "libclang-14-dev:reads libavcodec's headers for the decoder binding"
    "libavcodec-dev:decodes keyframes"
    "libavutil-dev:goes with libavcodec"
    "libsqlite3-dev:holds the cases"
    "libgstreamer1.0-dev:takes in files, HTTP, HLS, v4l2 and RTSP over UDP"
    "libgstreamer-plugins-base1.0-dev:goes with GStreamer"
    "libgstrtspserver-1.0-dev:serves the simulated cameras"
    "gstreamer1.0-plugins-base:converters and demuxers"
    "gstreamer1.0-plugins-good:RTP, RTSP, JPEG, MP4, v4l2"
    "gstreamer1.0-plugins-bad:parsers for H.264 and H.265, HLS, x265"
    "gstreamer1.0-plugins-ugly:x264, to encode the simulated cameras"
    "gstreamer1.0-libav:decoders for streams without keyframes"
    "mosquitto:MQTT broker of the demo and the tests"
    "python3:unpacks the ONNX Runtime wheel"
    "python3-pip:downloads the ONNX Runtime wheel"
    "ca-certificates:checks who the package servers are"
)

TEST_PACKAGES=(
    "curl:asks the API in the tests"
    "python3-aiosmtpd:mail server of the tests"
    "postgresql:the other database that cases are kept in; the tests start servers of their own"
    "python3-swift:OpenStack Swift, the S3 server that the detection log is kept on in its test; starts nothing"
    "ffmpeg:makes odd streams for the tests"
    "python3-venv:holds the programs that read the detection log in its test"
    "chromium:shows the console's pages in the tests"
    "chromium-driver:drives it"
    "fonts-wqy-zenhei:Chinese on the pages that it shows"
)

BENCH_PACKAGES=(
    "python3-venv:holds the programs that cameras-per-core is compared with"
    "gstreamer1.0-tools:one of them is a GStreamer pipeline"
)

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else
        command -v sudo >/dev/null || fail "packages are missing and this user is neither root nor has sudo: $*"
        sudo "$@"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install_packages NAME:REASON...
install_packages() {
    local entry missing=()
    command -v dpkg-query >/dev/null || { say "not a Debian system: make sure these are there: ${*%%:*}"; return; }
    for entry in "$@"; do
        is_installed "${entry%%:*}" || missing+=("$entry")
    done
    [ ${#missing[@]} -eq 0 ] && return
    say "installing ${#missing[@]} Debian packages"
    for entry in "${missing[@]}"; do printf '      %-36s %s\n' "${entry%%:*}" "${entry#*:}" >&2; done
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]%%:*}"
}
