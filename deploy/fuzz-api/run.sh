# Asks a running city everything that its OpenAPI document allows, and much that it does not. Sourced by ./x.

# fuzz_api [OPTIONS of schemathesis]
fuzz_api() {
    local work city address
    work=$(mktemp -d)
    cp deploy/fuzz-api/citybrain.toml "$work/citybrain.toml"
    target/release/citybrain run --config "$work/citybrain.toml" --listen 127.0.0.1:0 \
        --announce "$work/city.json" >"$work/city.log" 2>&1 &
    city=$!
    # shellcheck disable=SC2064
    trap "kill $city 2>/dev/null; rm -rf '$work'" EXIT
    for _ in $(seq 300); do
        [ -s "$work/city.json" ] && break
        kill -0 "$city" 2>/dev/null || { cat "$work/city.log" >&2; fail "the city ended before it listened"; }
        sleep 0.2
    done
    address=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["console"].rstrip("/"))' "$work/city.json") ||
        fail "the city does not listen"
    say "asking $address"
    # A stream that does not end is no answer that could be checked; `api.rs` has a test of it. Ids that a document
    # allows and a city does not know are answered 404, and orders that a state does not allow 409: both are right. Nobody
    # signs in to this city, so what is sent along to sign in is not looked at.
    "$SCHEMATHESIS" --config-file deploy/fuzz-api/schemathesis.toml run "$address/api/v1/openapi.json" --exclude-path /api/v1/events \
        --phases examples,coverage,fuzzing --max-examples 60 --request-timeout 20 --seed 1 \
        --exclude-checks positive_data_acceptance,ignored_auth "$@"
    # Nobody takes its deliveries; everything else that went wrong is a fault.
    grep ' ERROR ' "$work/city.log" | grep -v 'delivery given up' && fail "the city logged errors"
    return 0
}
