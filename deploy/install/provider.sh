# Glewlwyd, a provider of OpenID Connect, unpacked from Debian's packages beside the checkout: installing them would start a
# service. Sourced by ./x.

PROVIDER=.citybrain/glewlwyd

# Without the packages its test is left out and says so; the others do not need it.
install_provider() {
    [ -x "$PROVIDER/usr/bin/glewlwyd" ] && return
    command -v apt-get >/dev/null || return 0
    say "unpacking Debian's provider of OpenID Connect into $PROVIDER"
    rm -rf "$PROVIDER.part"
    mkdir -p "$PROVIDER.part"
    if unpack_provider; then
        mv "$PROVIDER.part" "$PROVIDER"
    else
        rm -rf "$PROVIDER.part"
        say "it cannot be had: the test against it is left out"
    fi
}

# Itself, and the libraries that this machine lacks.
unpack_provider() {
    local wanted
    wanted=$(apt-get -s install --no-install-recommends glewlwyd dbconfig-no-thanks 2>/dev/null |
        awk '/^Inst (lib|glewlwyd)/ && $2 !~ /^libjs-/ { print $2 }') || return 1
    [ -n "$wanted" ] || wanted=glewlwyd
    # Word by word: these are names of packages.
    # shellcheck disable=SC2086
    (cd "$PROVIDER.part" && apt-get download -qq $wanted >/dev/null 2>&1 &&
        for package in *.deb; do dpkg -x "$package" . || exit 1; done && rm -f ./*.deb)
}
