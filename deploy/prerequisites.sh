#!/usr/bin/env bash
# Says in one line each what this machine lacks for `make setup`, and what to do about it.
# Usage: deploy/prerequisites.sh PYTHON
set -euo pipefail

python=$1
missing=0

lack() {
    echo "missing: $1: $2" >&2
    missing=1
}

# need COMMAND ADVICE
need() {
    command -v "$1" >/dev/null || lack "$1" "$2"
}

# at_least NAME FOUND WANTED ADVICE
at_least() {
    [[ "${2:-0}" =~ ^[0-9]+$ ]] && ((${2:-0} >= $3)) ||
        lack "$1 $3 or later" "${2:+found $2; }$4"
}

if command -v "$python" >/dev/null; then
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        lack "Python 3.11 or later" \
            "found $("$python" -V 2>&1); install it, or name another: make PYTHON=python3.11"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        lack "Python's venv" "install it (Debian: apt install python3-venv)"
else
    lack "$python" "install Python 3.11 or later, or name another: make PYTHON=python3.11"
fi
if command -v java >/dev/null; then
    at_least Java "$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')" 17 \
        "install it (Debian: apt install openjdk-17-jre-headless)"
else
    lack java "install Java 17 or later (Debian: apt install openjdk-17-jre-headless)"
fi
need mvn "install Maven (Debian: apt install maven)"
if command -v node >/dev/null; then
    at_least Node.js "$(node --version | sed -n 's/^v\([0-9]*\).*/\1/p')" 20 \
        "install it (https://nodejs.org)"
else
    lack node "install Node.js 20 or later (https://nodejs.org)"
fi
need npm "install it; it comes with Node.js"
need git "install it (Debian: apt install git)"
exit "$missing"
