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
            die "cargo is missing: install Rust first (https://rustup.rs)"
        fi
    fi
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$top/Cargo.toml" | head -n 1)
    have=$(cd "$top" && rustc --version | cut -d' ' -f2) || die "rustc does not run"
    printf '%s\n%s\n' "$wanted" "${have%%-*}" | sort -VC || die "expected Rust $wanted or newer, got $have"
}

# install_missing "COMMAND DEBIAN-PACKAGE FEDORA-PACKAGE" ...: installs the packages whose command is missing. A
# package name of - says that the distribution has none.
install_missing() {
    local line command debian fedora apt=() dnf=()
    for line; do
        read -r command debian fedora <<<"$line"
        command -v "$command" >/dev/null && continue
        apt+=("$debian") dnf+=("$fedora")
    done
    [ ${#apt[@]} -gt 0 ] || return 0
    if command -v apt-get >/dev/null; then
        step "Installing ${apt[*]}"
        DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${apt[@]}" </dev/null >/dev/null
    elif command -v dnf >/dev/null; then
        mapfile -t dnf < <(printf '%s\n' "${dnf[@]}" | grep -vx -- -)
        [ ${#dnf[@]} -gt 0 ] || return 0
        step "Installing ${dnf[*]}"
        dnf install -q -y "${dnf[@]}" </dev/null
    else
        die "missing, and no apt-get or dnf to install them: ${apt[*]}"
    fi
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
