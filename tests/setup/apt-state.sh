# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# A private apt state for each set of suites; sourced.
#
# Two states are kept apart, so that an archive without the moving suites does
# not spoil what the suite of this machine has:
#   own      this machine's own suite and its security suite
#   moving   the next suite, and the backports, which carry newer kernels
#   testing  what is to become the suite after that
# A state root-SUITE is for a root of that suite: see roots.sh; source-SUITE knows
# the suite's sources as well: see packagekit.sh. The others may be had for another
# architecture than this machine's: own-arm64.
# All are made from this machine's own apt configuration with the suite
# replaced, so the mirror, the proxy and the keys are those of the machine.
#
# state, say: see the scripts that source this, and say.sh.
# shellcheck disable=SC2034,SC2154

codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release | tr -d '"')
# What went wrong, in words.
reason=

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
    case "$codename" in
        bookworm) next=trixie ;;
        *) next=$codename ;;
    esac
    case "$1" in
        own)
            entry_as "$main" "$codename"
            entry_as "$security" "$codename-security" ;;
        moving)
            entry_as "$main" "$next"
            entry_as "$main" "$next-backports"
            entry_as "$security" "$next-security" ;;
        testing) entry_as "$main" testing ;;
        root-*) entry_as "$main" "${1#root-}" ;;
        source-*)
            entry_as "$main" "${1#source-}"
            entry_as "$main" "${1#source-}" | sed 's/^deb /deb-src /' ;;
    esac
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
    case "$1" in
        root-* | source-*) sources_for "$1" ;;
        # An entry that names this machine's architecture would hide the other.
        *-*) sources_for "${1%%-*}" | sed 's/\([[ ]\)arch=[^] ]*/\1/' ;;
        *) sources_for "$1" ;;
    esac >"$private/sources.list"
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
        case "$1" in
            root-* | source-*) ;;
            *-*) cat <<CONF ;;
#clear APT::Architectures;
APT::Architecture "${1#*-}";
APT::Architectures:: "${1#*-}";
// What is installed here is of this machine's architecture.
Dir::State::status "/dev/null";
CONF
        esac
    } >"$private/apt.conf"
}

# The suites of a state, in one line.
suites_of() {
    awk '{ print $(NF - 1) }' "$state/$1/sources.list" | tr '\n' ' '
}

# A suite that is missing makes update fail, yet the others are there to use.
update_lists() {
    say "reading the package lists of: $(suites_of "$1")"
    in_state "$1" timeout 300 apt-get -qq update >"$state/$1/log" 2>&1 || true
}

# What apt complained of first, of lines that match a pattern.
apt_complaint() {
    grep -m1 "$2" "$state/$1/log" || echo "see $state/$1/log"
}
