# Sourced by ./run and ./test: makes the virtual environment that they run in.
#
#   prepare LOCK    have everything of this lock file installed in $venv; instant when that is already so
#
# The environment is .venv beside the project, or $HERALD_VENV. Herald itself is not built or copied into it: the
# environment points at this folder (herald.pth), because prompts/ and config/ are read from beside bot/.
# What is said goes to standard error; standard output belongs to the program. POSIX sh.

venv=${HERALD_VENV:-$root/.venv}
case $venv in /*) ;; *) venv=$PWD/$venv ;; esac
unset HERALD_VENV  # names beginning with HERALD_ are the program's settings, and this is none of them

say() {
    printf 'herald: %s\n' "$*" >&2
}

die() {
    say "$@"
    exit 1
}

# --- which Python ---------------------------------------------------------------------------------------------------

can() {  # can PYTHON STATEMENT: whether this interpreter exists and the statement succeeds
    "$1" -c "$2" >/dev/null 2>&1
}

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

find_python() {  # find_python STATEMENT: the newest Python from 3.11 on that can do this
    for candidate in python3.14 python3.13 python3.12 python3.11 python3 /usr/bin/python3; do
        if can "$candidate" "$new_enough" && can "$candidate" "$1"; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

install_packages() {  # by apt, as root; otherwise say what to type
    command -v apt-get >/dev/null 2>&1 ||
        die "Python 3.11 or newer with its venv and ensurepip modules is needed; please install it, then try again."
    if [ "$(id -u)" != 0 ]; then
        die "this is missing; please type it, then try again:  sudo apt-get install -y $*"
    fi
    say "installing $* ..."
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    # The package lists are fetched only when the ones at hand do not do.
    apt-get install -qq -y --no-install-recommends "$@" >&2 2>/dev/null ||
        { apt-get update -qq >&2 && apt-get install -qq -y --no-install-recommends "$@" >&2; } ||
        die "apt-get could not install $*; its words are above."
}

choose_python() {
    whole='import ensurepip, venv'
    python=$(find_python "$whole") && return 0
    if can /usr/bin/python3 "$new_enough"; then  # Debian keeps ensurepip in a package of its own, one for each version
        install_packages "$(/usr/bin/python3 -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    else
        install_packages python3 python3-venv
    fi
    python=$(find_python "$whole") ||
        die "Python 3.11 or newer is needed, and there is none here, also not from apt; please install one."
}

# --- the environment ------------------------------------------------------------------------------------------------

wanted() {  # everything that the environment was made from: when this changes, it is made anew
    printf '%s\n' "$root"
    cat "$root/scripts/environment.sh" "$root/$1"
}

current() {  # whether everything of this lock file is installed; written last, so never after an interruption
    # -P: the folder that somebody happens to be in is not looked at, only what the environment points at.
    wanted "$1" | cmp -s - "$venv/herald-$1" && "$venv/bin/python" -P -c 'import bot' >/dev/null 2>&1
}

is_ours() {  # whether we may delete it: an environment that we began, or nothing at all
    [ -e "$venv/herald-begun" ] || [ ! -e "$venv" ] || rmdir "$venv" 2>/dev/null
}

make_environment() {
    choose_python
    is_ours || die "$venv was not made by this script; please move it away, or set HERALD_VENV to another folder."
    say "setting up $venv with $("$python" --version) (once, about a minute) ..."
    rm -rf "$venv"
    mkdir -p "$venv"
    : >"$venv/herald-begun"
    "$python" -m venv "$venv" >&2
    site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    printf '%s\n' "$root" >"$site/herald.pth"
    cat >"$venv/bin/herald" <<'END'
#!/bin/sh
exec "$(dirname "$0")/python" -P -m bot "$@"
END
    chmod +x "$venv/bin/herald"
}

install_lock() {  # exactly these files; wheels only, so that nothing is built and no build tool is fetched
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-input \
        --require-hashes --only-binary :all: --requirement "$root/$1" >&2 ||
        die "pip could not install $1; its words are above. Please try again when that is mended."
    wanted "$1" >"$venv/herald-$1"
}

complete() {  # bring the environment up to this lock file
    current "$1" && return 0  # somebody else did while we waited
    # The development lock holds the other one, pin for pin: it is laid over a current environment.
    if ! current requirements.lock; then
        make_environment
        install_lock requirements.lock
    fi
    [ "$1" = requirements.lock ] || install_lock "$1"
    say "set up."
}

prepare() {
    current "$1" && return 0
    if command -v flock >/dev/null 2>&1; then  # two at once: the second waits, and then finds it done
        exec 9<"$root"
        flock 9
        complete "$1"
        exec 9<&-  # what is run next must not hold the lock
    else
        complete "$1"
    fi
}
