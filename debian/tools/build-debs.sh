#!/bin/bash
# build-debs.sh [OUTPUT [SUFFIX]]: all of hedwig's Debian packages into the folder OUTPUT (default: dist). For `make debs`.
#
# Runs as any user on Debian 12 with the build dependencies of both control files. What is built is the working tree, as
# far as git knows its files, copied into BUILD (default: build); the tree itself stays clean. Its network is off during
# both builds: all that comes from outside is greenstalk's sdist, which pip fetches before, by its pinned sum.
#
# The same tree gives the same bytes, whatever the path, the time zone, the umask and the user: times are those of
# debian/changelog, modes are set here. tests/packages/test_reproducible.py holds it to that.
#
# SUFFIX is put behind hedwig's version, "+test1" say, by a changelog entry of its own in the copy: the system test
# upgrades from one version to another.
set -euo pipefail
umask 022
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TZ=UTC
cd "$(dirname "$0")/../.."

tree=$PWD
output=$(realpath -m "${1:-dist}")
suffix=${2:-}
build=$(realpath -m "${BUILD:-build}")
sdists=$(realpath -m "${SDISTS:-$build/sdist}")
mkdir -p "$output" "$build"

# A network namespace with nothing in it. A user makes it in a user namespace, and stays who they are there.
offline=(unshare --net)
[ "$(id -u)" -eq 0 ] || offline=(unshare --map-current-user --net)

field() { dpkg-parsechangelog -l "$1/debian/changelog" -S "$2"; }

# still FOLDER: modes and times that no clone and no umask has a say in.
still() {
    chmod -R u=rwX,go=rX "$1"
    find "$1" -exec touch --no-dereference -d "@$(field "$1" Timestamp)" {} +
}

# package FOLDER: build source and binary packages, and put them into the output.
package() {
    still "$1"
    (
        cd "$1"
        export SOURCE_DATE_EPOCH
        SOURCE_DATE_EPOCH=$(field . Timestamp)
        "${offline[@]}" dpkg-buildpackage --build=full --no-sign >"$1.log" 2>&1 || { cat "$1.log" >&2; exit 1; }
    )
    local made
    for made in "$1"/../*_*; do
        made=$(basename "$made")
        rm -f "$output/${made%%_*}"_*  # of another version
    done
    cp "$1"/../*_* "$output/"
}

fresh() { rm -rf "$1" && mkdir -p "$1"; }

build_hedwig() {
    fresh "$build/hedwig"
    local copy=$build/hedwig/hedwig
    mkdir "$copy"
    git -c safe.directory="$tree" ls-files -z --cached |
        while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
        tar --null --create --files-from=- | tar --extract --directory="$copy"
    if [ -n "$suffix" ]; then
        { sed -e "1s/(\(.*\))/(\1$suffix)/" "$copy/debian/changelog"; echo; cat debian/changelog; } >"$copy/changelog"
        mv "$copy/changelog" "$copy/debian/changelog"
    fi
    package "$copy"
}

build_greenstalk() {
    local version
    version=$(dpkg-parsechangelog -l debian/greenstalk/changelog -S Version)
    local sdist=$sdists/greenstalk-${version%-*}.tar.gz
    [ -e "$sdist" ] || /usr/bin/python3 -m pip download --quiet --no-deps --no-binary :all: --no-build-isolation \
        --require-hashes --requirement debian/greenstalk/sdist.txt --dest "$sdists"
    sed -n "s|^greenstalk==.*--hash=sha256:\([0-9a-f]*\)$|\1  $sdist|p" debian/greenstalk/sdist.txt | sha256sum --check --quiet
    fresh "$build/greenstalk"
    cp "$sdist" "$build/greenstalk/python-greenstalk_${version%-*}.orig.tar.gz"
    local copy=$build/greenstalk/python-greenstalk
    mkdir "$copy"
    tar --extract --file="$sdist" --directory="$copy" --strip-components=1
    cp -R debian/greenstalk "$copy/debian"
    package "$copy"
}

build_greenstalk
build_hedwig
ls "$output"/*.deb
