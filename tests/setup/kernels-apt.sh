# shellcheck shell=sh
# Kernels from a Debian archive, by a private apt state; sourced by kernels.sh.
#
# Two states are kept apart, so that an archive without the moving suites does
# not spoil the mandatory kernels:
#   own      this machine's own suite and its security suite
#   moving   the next suite, and the backports, which carry newer kernels
# Both are made from this machine's own apt configuration with the suite
# replaced, so the mirror, the proxy and the keys are those of the machine.
#
# state, say: see kernels.sh and say.sh.
# shellcheck disable=SC2154

arch=$(dpkg --print-architecture)
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release | tr -d '"')
reason=

archive_reason() {
    printf '%s' "${reason:-unknown reason}"
}

# The flavours are those of 64-bit PCs and servers; elsewhere "cloud" may be missing.
archive_wants() {
    printf '%s mandatory\n' stable-cloud stable
    printf '%s optional\n' enforcing 6.12 6.16 7.0 7.1 newest
}

state_of() {
    case "$1" in stable*) echo own ;; *) echo moving ;; esac
}

# Every binary-package source of this machine as a one-line entry. Both formats
# of sources.list(5) are read; of the options only those that decide about trust
# are kept.
machine_sources() {
    eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
    # shellcheck disable=SC2154 # set by the eval
    for file in "$list" "$parts"*.list; do
        [ -r "$file" ] && sed -n 's/^[[:space:]]*deb[[:space:]]/deb /p' "$file"
    done
    for file in "$parts"*.sources; do
        [ -r "$file" ] || continue
        # A blank line ends the last stanza too.
        { grep -v '^#' "$file"; echo; } | awk '
            /^[^ \t:]+:/ {
                key = tolower($0); sub(/:.*/, "", key)
                value = $0; sub(/^[^:]*:[ \t]*/, "", value)
                field[key] = value
                next
            }
            /^[ \t]+[^ \t]/ { sub(/^[ \t]+/, ""); field[key] = field[key] " " $0; next }
            /^[ \t]*$/ {
                if (field["types"] ~ /(^| )deb( |$)/ && tolower(field["enabled"]) != "no") {
                    options = ""
                    # A key written into the file itself cannot be named in one line.
                    if (field["signed-by"] ~ /^\//) { sub(/ .*/, "", field["signed-by"]); options = options " signed-by=" field["signed-by"] }
                    if (field["trusted"] != "") options = options " trusted=" field["trusted"]
                    count = split(field["uris"], uris, " ")
                    suites = split(field["suites"], suite, " ")
                    for (u = 1; u <= count; u++) for (s = 1; s <= suites; s++)
                        print "deb" (options == "" ? "" : " [" substr(options, 2) "]"), uris[u], suite[s], field["components"]
                }
                split("", field)
            }'
    done
}

# The first entry whose suite matches, with the suite replaced and main alone.
entry_as() {
    machine_sources | awk -v pattern="$1" -v suite="$2" '
        {
            options = ""
            if (match($0, /\[[^]]*\]/)) {
                options = substr($0, RSTART, RLENGTH) " "
                $0 = substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH)
            }
            if ($3 ~ "^(" pattern ")$" && $0 ~ / main( |$)/) { print "deb " options $2, suite, "main"; exit }
        }'
}

sources_for() {
    main="$codename|stable|oldstable"
    security="($main)-security"
    if [ "$1" = own ]; then
        entry_as "$main" "$codename"
        entry_as "$security" "$codename-security"
        return
    fi
    case "$codename" in
        bookworm) next=trixie ;;
        *) next=$codename ;;
    esac
    entry_as "$main" "$next"
    entry_as "$main" "$next-backports"
    entry_as "$security" "$next-security"
}

# Runs an apt tool in a private state. The machine's configuration is kept,
# because proxies are there, but its hooks are not: some images delete all
# downloaded packages at the end of any update, in the system's own cache.
in_state() {
    private=$state/$1
    shift
    APT_CONFIG=$private/apt.conf "$@"
}

make_state() {
    private=$state/$1
    mkdir -p "$private/lists/partial" "$private/cache/archives/partial" "$private/none"
    sources_for "$1" >"$private/sources.list"
    [ -s "$private/sources.list" ] || {
        reason="no source of suite $codename in this machine's apt configuration"
        return 1
    }
    {
        apt-config dump --no-empty --format '%f "%v";%n' | grep -Ev '^(APT|DPkg)::.*(Pre-|Post-|In)(Invoke|stall)'
        cat <<CONF
Dir::Etc::main "/dev/null";
Dir::Etc::parts "$private/none";
Dir::Etc::sourcelist "$private/sources.list";
Dir::Etc::sourceparts "$private/none";
Dir::State::lists "$private/lists";
Dir::Cache "$private/cache";
Dir::Cache::archives "$private/cache/archives";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Acquire::Retries "2";
// A pinned snapshot is old; the kernels are read, never installed.
Acquire::Check-Valid-Until "false";
// The checkout may lie where apt's own user cannot look.
APT::Sandbox::User "root";
CONF
    } >"$private/apt.conf"
}

opened=
archive_open() {
    name=$(state_of "$1")
    case " $opened " in
        *" $name "*) return 0 ;;
        *" no-$name "*) return 1 ;;
    esac
    if make_state "$name" && update_state "$name"; then
        opened="$opened $name"
    else
        opened="$opened no-$name"
        return 1
    fi
}

update_state() {
    say "reading the package lists of: $(awk '{ print $(NF - 1) }' "$state/$1/sources.list" | tr '\n' ' ')"
    # A suite that is missing makes update fail, yet the others are there to use.
    in_state "$1" timeout 300 apt-get -qq update >"$state/$1/log" 2>&1 || true
    in_state "$1" apt-cache pkgnames linux-image- >"$state/$1/names" 2>>"$state/$1/log"
    if ! grep -q "^linux-image-[0-9]" "$state/$1/names"; then
        reason="no package list could be fetched ($(grep -m1 '^[EW]:' "$state/$1/log" || echo see "$state/$1/log"))"
        return 1
    fi
    # Only the packages that the lists describe, not those that are merely mentioned.
    in_state "$1" apt-cache dumpavail |
        sed -n 's/^Package: \(linux-\(image\|binary\|modules\|base\)-[0-9].*\)/\1/p' |
        sort -u >"$state/$1/names"
}

# Releases of one flavour, oldest first: releases own '6\.1' -cloud
releases() {
    sed -n "s/^linux-image-\($2\.[^-]*\(-[0-9]*\)\{0,1\}$3-$arch\)\(-unsigned\)\{0,1\}$/\1/p" "$state/$1/names" |
        sort -uV
}

# The series of the suite's own kernel, as its meta package names it.
stable_series() {
    in_state own apt-cache depends "linux-image-$arch" |
        sed -n 's/^ *Depends: linux-image-\([0-9]*\)\.\([0-9]*\)\..*/\1\\.\2/p' | head -n 1
}

has_modules() {
    # Since 6.19 an image package may be empty, with binary and modules beside it.
    if grep -qx "linux-binary-$2" "$state/$1/names"; then
        grep -qx "linux-modules-$2" "$state/$1/names"
    fi
}

newest_pair() {
    tail -n 2 | tr '\n' ' ' | awk 'NF == 2 { print $1, $2 }'
}

archive_sets() {
    suites=$(awk '{ print $(NF - 1) }' "$state/$(state_of "$1")/sources.list" | tr '\n' ' ')
    reason="not offered today by: $suites"
    case "$1" in
        stable-cloud) releases own "$(stable_series)" -cloud | newest_pair ;;
        stable) releases own "$(stable_series)" '' | newest_pair ;;
        enforcing) enforcing_pairs ;;
        6.12) releases moving '6\.12' -cloud | newest_pair ;;
        newest) moving_complete | tail -n 1 ;;
        *) releases moving "$(printf '%s' "$1" | sed 's/\./\\./')" -cloud | tail -n 1 ;;
    esac
}

moving_complete() {
    releases moving '[0-9]*\.[0-9]*' -cloud | while read -r release; do
        if has_modules moving "$release"; then echo "$release"; fi
    done
}

# The pair that docs and tests know best first, then the newest pair of that
# series, then of any newer series. The config decides what enforces.
enforcing_pairs() {
    moving_complete >"$state/moving/complete"
    known=$(grep -E '^6\.18\.(12|15)[+-]' "$state/moving/complete" | newest_pair)
    [ -z "$known" ] || echo "$known"
    for series in 6.18 $(sed -n 's/^\([0-9]*\.[0-9]*\)\..*/\1/p' "$state/moving/complete" | sort -uVr); do
        # Older series of these suites do not enforce.
        [ "$(printf '%s\n' 6.18 "$series" | sort -V | head -n 1)" = 6.18 ] || continue
        grep "^$series\." "$state/moving/complete" | newest_pair
    done
}

# The packages that make up one release, the signed ones where there are both.
packages_of() {
    for part in image binary modules base; do
        for package in "linux-$part-$2" "linux-$part-$2-unsigned"; do
            if grep -qxF "$package" "$state/$1/names"; then
                echo "$package"
                break
            fi
        done
    done
}

archive_get() {
    name=$(state_of "$1")
    debs=$state/$name/debs-$2
    rm -rf "$debs"
    mkdir -p "$debs"
    packages=$(packages_of "$name" "$2")
    say "downloading $(echo "$packages" | tr '\n' ' ')"
    # shellcheck disable=SC2086 # one word a package
    if ! (cd "$debs" && in_state "$name" timeout 600 apt-get -qq download $packages) >"$state/$name/log" 2>&1; then
        reason="download failed ($(grep -m1 '^E:' "$state/$name/log" || echo see "$state/$name/log"))"
        rm -rf "$debs"
        return 1
    fi
    for deb in "$debs"/*.deb; do
        dpkg -x "$deb" "$3" || {
            reason="$(basename "$deb") cannot be extracted"
            return 1
        }
    done
    rm -rf "$debs"
}
