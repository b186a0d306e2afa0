# A Python with DuckDB, pandas and Polars, which read the detection log in its test and its bench. Sourced by ./x.

READERS=.citybrain/readers

install_readers() {
    local wanted=benches/what-if/requirements.txt
    cmp -s "$wanted" "$READERS/installed.txt" && return
    say "installing DuckDB, pandas and Polars (some 250 MB) into $READERS"
    python3 -m venv "$READERS"
    "$READERS/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: --requirement "$wanted"
    cp "$wanted" "$READERS/installed.txt"
}
