#!/bin/bash
# make-repo.sh DEBS REPOSITORY URL [KEY]: put the packages of DEBS into a signed apt repository. For `make repo`.
#
# REPOSITORY is a folder that any web server can show at URL (file:///… serves as well). It is a flat repository: one set
# of packages for all architectures, Debian 12 and 13 alike. Older versions that are in it stay, so that a host can go
# back. It ends by printing what makes a host use it.
#
# KEY signs it: a file with a secret key, or the name of one in your GnuPG keyring. Without KEY one is made at the first
# time, and kept in ~/.local/share/hedwig: outside of any clone, for hosts trust it from then on. Back it up.
set -euo pipefail
umask 022
export LC_ALL=C.UTF-8

debs=$1 repository=$2 url=${3%/} key=${4:-}
kept=${XDG_DATA_HOME:-$HOME/.local/share}/hedwig/repository-key.asc

case $url in
    http://?* | https://?* | file:///?*) ;;
    *) echo "make repo: URL=$3 is no URL: where will hosts find the repository? http://…, https://… or file:///…" >&2; exit 2 ;;
esac

private=$(mktemp -d)
stop() { [ ! -d "$private/gnupg" ] || GNUPGHOME=$private/gnupg gpgconf --kill all; rm -rf "$private"; }
trap stop EXIT
trap 'exit 1' HUP INT TERM
sign() { gpg --batch --yes --quiet --armor --digest-algo SHA256 --local-user "$signer" "$@"; }

# own_keyring: an empty one, so that nothing of ours gets into the user's.
own_keyring() { mkdir -m 700 "$private/gnupg"; export GNUPGHOME=$private/gnupg; }

if [ -n "$key" ] && [ ! -e "$key" ]; then
    signer=$key
else
    own_keyring
    if [ -z "$key" ] && [ ! -e "$kept" ]; then
        gpg --batch --quiet --pinentry-mode loopback --passphrase '' --quick-generate-key \
            "hedwig package repository" ed25519 sign never
        (umask 077; mkdir -p "$(dirname "$kept")"; gpg --batch --armor --export-secret-keys >"$private/key")
        install -m 600 "$private/key" "$kept"
        echo "made the key that signs the repository: $kept - keep it, and keep it secret" >&2
    else
        gpg --batch --quiet --import "${key:-$kept}"
    fi
    signer=
fi
fingerprint=$({ gpg --batch --with-colons --list-secret-keys ${signer:+"$signer"} || true; } | awk -F: '$1 == "fpr" { print $10; exit }')
[ -n "$fingerprint" ] || { echo "make repo: KEY=$key holds no secret key" >&2; exit 2; }
signer=$fingerprint

mkdir -p "$repository"
cp "$debs"/*.deb "$debs"/*.dsc "$debs"/*.tar.* "$repository/"
cd "$repository"
gpg --batch --armor --export "$signer" >hedwig.asc
apt-ftparchive -qq packages . >Packages
apt-ftparchive -qq sources . >Sources
gzip --keep --force --no-name -9 Packages Sources
rm -f Release Release.gpg InRelease
apt-ftparchive -o APT::FTPArchive::Release::Origin=hedwig -o APT::FTPArchive::Release::Label=hedwig \
    -o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Architectures=all release . >"$private/Release"
cp "$private/Release" Release
sign --clearsign --output InRelease Release
sign --detach-sign --output Release.gpg Release

case $url in
    file://*) fetch="cp ${url#file://}/hedwig.asc /etc/apt/keyrings/" ;;
    *) fetch="apt install curl ca-certificates
curl -fsS -o /etc/apt/keyrings/hedwig.asc $url/hedwig.asc" ;;
esac
cat <<EOF

$repository is to be seen at $url
Its key: $fingerprint

On each host, as root:

mkdir -p /etc/apt/keyrings
$fetch
echo 'deb [signed-by=/etc/apt/keyrings/hedwig.asc] $url ./' >/etc/apt/sources.list.d/hedwig.list
apt update

Then \`apt install hedwig\` for everything on one host; \`apt install hedwig-mailman\` where containers only send, and
\`apt install hedwig-postoffice hedwig-worker\` on the host that delivers.
EOF
