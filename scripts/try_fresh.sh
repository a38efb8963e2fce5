#!/bin/sh
# The README's commands on a bare Debian: makes a minimal one in a folder, pastes what README and `make` say, and
# runs `make demo` there. Needs root and debootstrap; what is committed is tried. Usage: try_fresh.sh [FOLDER]
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
folder=${1:-$(mktemp -d)/debian}
[ "$(id -u)" = 0 ] || { echo "try_fresh: a chroot needs root; run it with sudo" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "try_fresh: paste this: apt-get update && apt-get install -y debootstrap" >&2; exit 1; }

end() { for each in proc dev/shm dev; do umount -l "$folder/$each" 2>/dev/null || true; done; rm -rf "$folder"; }
trap end EXIT
trap 'exit 130' INT TERM

debootstrap --variant=minbase "${SUITE:-bookworm}" "$folder" >/dev/null
# How this machine reaches its package registries.
for file in etc/resolv.conf etc/hosts etc/apt/apt.conf.d etc/xdg/pip etc/pip.conf; do
    [ ! -e "/$file" ] || { mkdir -p "$folder/$(dirname $file)" && cp -aL "/$file" "$folder/$(dirname $file)/"; }
done
mkdir -p "$folder/etc/ssl/certs" && cp -L /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
mount -t proc proc "$folder/proc"
mount --bind /dev "$folder/dev"
mount -t tmpfs -o size=512m tmpfs "$folder/dev/shm"
mkdir -p "$folder/checkout"
git -C "$root" archive HEAD | tar -x -C "$folder/checkout"

inside() { chroot "$folder" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
    ${PIP_CERT:+PIP_CERT=$PIP_CERT} sh -ec "cd /checkout; $1"; }
readme=$(sed -n 's/^    \(.*apt-get install -y .*git.*\)$/\1/p' "$root/README.md" | sed 's/sudo //g')
[ -n "$readme" ] || { echo "try_fresh: README.md does not say what a bare Debian lacks" >&2; exit 1; }
echo "README: $readme"
inside "$readme" >/dev/null
if ! said=$(inside 'make build' 2>&1); then
    paste=$(printf '%s\n' "$said" | sed -n 's/.*paste this, then try again: //p')
    [ -n "$paste" ] || { printf '%s\n' "$said" >&2; exit 1; }
    echo "make: $paste"
    inside "$paste" >/dev/null
fi
inside 'make demo'
