#!/bin/sh
# Programs that tests and `w3b up` use when they are there: a broker, its clients, Prometheus.
# Those that are not on PATH are unpacked below the directory given, from Debian's packages and
# without root. Where that is not to be had a line says so, and what uses them says what it misses.
set -u

into=$1
packages="mosquitto mosquitto-clients libmosquitto1 libcjson1 libdlt2 libwebsockets17 libev4
    libuv1 libwrap0 prometheus"
programs="mosquitto mosquitto_pub mosquitto_sub mosquitto_passwd prometheus promtool"

missing=
for program in $programs; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

unpacked() {
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    rm -rf "$into" && mkdir -p "$into/lists/partial" "$into/archives/partial" "$into/bin" &&
        cd "$into" || return 1
    own="-o Dir::State::lists=$PWD/lists -o Dir::Cache=$PWD/archives -o APT::Sandbox::User="
    # shellcheck disable=SC2086
    apt-get $own -qq update && apt-get $own -qq download $packages || return 1
    for package in *.deb; do
        dpkg-deb -x "$package" root || return 1
    done
    rm -rf lists archives ./*.deb
    libraries=$(dirname "$(find "$PWD/root/usr/lib" -name 'libmosquitto.so.1')")
    for program in $missing; do
        binary=$(find "$PWD/root/usr/bin" "$PWD/root/usr/sbin" -name "$program")
        printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libraries" "$binary" \
            >"bin/$program" && chmod +x "bin/$program"
    done
}

echo "From Debian's packages:$missing"
if ! (unpacked) >/dev/null 2>&1; then
    rm -rf "$into"
    echo "  not to be had; tests that need them are skipped, and a node has no Prometheus"
fi
