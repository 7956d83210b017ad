# shellcheck shell=bash
# What the scripts share: messages, root, cargo, packages, scratch space. Sourced, never run.

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi

step() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

need_root() {
    [ "$(id -u)" = 0 ] || die "root is needed: overlay mounts, device nodes and file owners belong to root. Run: sudo $0"
}

# The home directory of the user who called sudo, where there is one.
caller_home() {
    [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ] || return 1
    getent passwd "$SUDO_USER" | cut -d: -f6
}

# Puts cargo on PATH. Under sudo it is usually the caller's, with the caller's toolchains and registry cache.
find_cargo() {
    local home
    if ! command -v cargo >/dev/null; then
        if home=$(caller_home) && [ -x "$home/.cargo/bin/cargo" ]; then
            export PATH="$home/.cargo/bin:$PATH" CARGO_HOME="$home/.cargo" RUSTUP_HOME="${RUSTUP_HOME:-$home/.rustup}"
        elif [ -x "${HOME:-/root}/.cargo/bin/cargo" ]; then
            export PATH="${HOME:-/root}/.cargo/bin:$PATH"
        elif [ -x /usr/local/cargo/bin/cargo ]; then
            export PATH="/usr/local/cargo/bin:$PATH" CARGO_HOME="${CARGO_HOME:-/usr/local/cargo}"
            export RUSTUP_HOME="${RUSTUP_HOME:-/usr/local/rustup}"
        else
            die "cargo is missing: install Rust first"
        fi
    fi
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$top/Cargo.toml" | head -n 1)
    have=$(cd "$top" && rustc --version | cut -d' ' -f2) || die "rustc does not run"
    printf '%s\n%s\n' "$wanted" "${have%%-*}" | sort -VC || die "expected Rust $wanted or newer, got $have"
}

# Rust links with cc, and some crates compile C: a compiler without the headers of the C library is not enough. A name
# that ends in .h is a header.
have() {
    local header
    case $1 in cc) header=stdlib.h ;; *.h) header=$1 ;; *) command -v "$1" >/dev/null; return ;; esac
    printf '#include <%s>\nint main(void) { return 0; }\n' "$header" | cc -x c -o /dev/null - 2>/dev/null
}

# install_missing "COMMAND DEBIAN-PACKAGES FEDORA-PACKAGES" ...: installs the packages whose command is missing, and a
# C compiler. Several packages have commas between them; - says that the distribution has none.
install_missing() {
    local line command debian fedora installer packages=() missing=()
    installer=$(command -v apt-get dnf | head -n 1) || true
    for line in "cc gcc,libc6-dev gcc,glibc-devel" "$@"; do
        read -r command debian fedora <<<"$line"
        have "$command" && continue
        missing+=("$command")
        case $installer in */dnf) packages+=("$fedora") ;; *) packages+=("$debian") ;; esac
    done
    mapfile -t packages < <(printf '%s\n' "${packages[@]}" | tr , '\n' | grep -vx -e - -e '')
    [ ${#packages[@]} -gt 0 ] || return 0
    [ -n "$installer" ] || die "missing: ${missing[*]}; install them first (in Debian: ${packages[*]})"
    step "Installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    if ! case $installer in
        */dnf) dnf install -q -y "${packages[@]}" ;;
        *) apt-get update -qq && apt-get install -qq -y --no-install-recommends "${packages[@]}" >/dev/null ;;
    esac </dev/null; then
        die "missing: ${missing[*]}; ${installer##*/} could not install ${packages[*]}"
    fi
    have cc || die "no C program can be compiled here: expected a working cc with the headers of the C library"
}

# unpack_packages DIR "PACKAGE..." ["PACKAGE..."]: puts the programs of Debian packages into DIR and on PATH, without
# installing them. The second list is for where the first has a package that is not there.
unpack_packages() {
    local dir=$1 package
    have apt-get && have dpkg-deb || return 1
    mkdir -p "$dir"
    (
        cd "$dir"
        # shellcheck disable=SC2086 # Lists of words.
        fetch() { apt-get download -qq $2 || { [ -n "${3:-}" ] && apt-get download -qq $3; }; }
        fetch "$@" || { apt-get update -qq && fetch "$@"; }
    ) >/dev/null 2>&1 || true
    for package in "$dir"/*.deb; do
        [ ! -e "$package" ] || dpkg-deb --fsys-tarfile "$package" | tar -x -C "$dir" --wildcards './usr/*bin/*'
        rm -f "$package"
    done
    PATH=$dir/usr/sbin:$dir/usr/bin:$PATH
}

# Puts Debian's Docker engine into $scratch and on PATH, if there is none: unpacked and not installed, because the package
# starts the engine, which changes the firewall. Where that fails there is no engine, and tests beside it are ignored.
unpack_docker() {
    local before=$PATH
    if have dockerd && have containerd && have runc && have docker; then return; fi
    # Later versions have the client in a package of its own.
    if unpack_packages "$scratch/docker" "docker.io containerd runc docker-cli" "docker.io containerd runc"; then
        if dockerd --version && containerd --version >/dev/null && docker --version >/dev/null; then return; fi 2>/dev/null
        PATH=$before
    fi
    echo "Docker could not be unpacked here: what it does is not compared"
}

# Makes $scratch: on a tmpfs of its own where the usual place is an overlay file system (in a container), because
# an overlay cannot hold another one's upper directory.
make_scratch() {
    scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/rootlay-$1.XXXXXX")
    if [ "$(stat -f -c %T "$scratch")" = overlayfs ]; then
        mount -t tmpfs -o mode=0700 "rootlay-$1" "$scratch"
    fi
}

# Mount points below a directory, deepest first.
mounts_below() {
    awk -v top="$1/" 'index($5, top) == 1 { print $5 }' /proc/self/mountinfo | tac
}

remove_scratch() {
    [ -n "$scratch" ] || return 0
    local point
    while IFS= read -r point; do umount -l "$point" || true; done < <(mounts_below "$scratch")
    if mountpoint -q "$scratch"; then umount -l "$scratch"; fi
    rm -rf --one-file-system "$scratch"
    scratch=
}

# Under sudo, what the build wrote into the caller's directories goes back to the caller.
give_back() {
    local home places=()
    home=$(caller_home) || return 0
    [ -d "$top/target" ] && [ "$(stat -c %U "$top")" = "$SUDO_USER" ] && places+=("$top/target")
    [ "${CARGO_HOME:-}" = "$home/.cargo" ] && places+=("$home/.cargo")
    [ ${#places[@]} -gt 0 ] || return 0
    find "${places[@]}" -xdev -user root -exec chown -h "$SUDO_USER:" {} + || true
}
