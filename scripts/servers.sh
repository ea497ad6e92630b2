# Sourced by ./test after environment.sh: has PostgreSQL, Redis and Chromium at hand for the tests that need them.
#
#   servers         install what is missing where that can be done; otherwise say which tests will be skipped
#
# The tests start these programs themselves, the servers as an ordinary user on ports of their own; no service is needed,
# and what Debian's packages would start by themselves is not started. POSIX sh.

has_server() {  # has_server PROGRAM: on the path, or where Debian keeps PostgreSQL
    command -v "$1" >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/"$1" >/dev/null 2>&1
}

missing_servers() {  # the packages whose programs are not here
    has_server initdb || printf 'postgresql '
    has_server redis-server || printf 'redis-server '
    has_server chromium || printf 'chromium '
    has_server chromedriver || printf 'chromium-driver '
}

without_services() {  # without_services COMMAND...: run it with Debian's own switch for "start no services" on
    policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then  # the machine has a policy already; it is not ours to change
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    result=0
    "$@" || result=$?
    rm -f "$policy"
    trap - EXIT INT TERM
    return "$result"
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get install -qq -y --no-install-recommends "$@" >&2 2>/dev/null ||
        { apt-get update -qq >&2 && apt-get install -qq -y --no-install-recommends "$@" >&2; }
}

servers() {
    packages=$(missing_servers)
    [ -n "$packages" ] || return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "installing $packages(for tests; no service is started) ..."
        for package in $packages; do  # one by one: not every system has each of them
            without_services apt_install "$package" || say "apt-get could not install $package; its words are above."
        done
        packages=$(missing_servers)
    fi
    [ -z "$packages" ] ||
        say "MISSING: $packages- the tests that need it are SKIPPED. To run them:  sudo apt-get install -y $packages"
}
