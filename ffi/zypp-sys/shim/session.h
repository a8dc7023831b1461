// SPDX-License-Identifier: GPL-2.0-or-later
// The one session with libzypp that a process can have.
#ifndef BTF_GUARD_ZYPP_SESSION_H
#define BTF_GUARD_ZYPP_SESSION_H

#include <cstddef>
#include <string>
#include <vector>

#include <zypp/PoolItem.h>
#include <zypp/RepoManager.h>
#include <zypp/ZYpp.h>
#include <zypp/sat/Solvable.h>

#include "zypp_shim.h"

namespace bgz {

// A step with the strings that `bgz_step` points to.
struct Step {
    bgz_action action = BGZ_COMES;
    // No solvable: a commit's step that no repository and no database has.
    zypp::sat::Solvable solvable;
    std::string name, version, release, arch;
    uint32_t epoch = 0;
    std::string repository, location, checksum, path;
    uint64_t size = 0;
    std::vector<size_t> replaces;
};

// What the metadata say of a package that is in the pool.
Step describe(bgz_action action, zypp::sat::Solvable solvable);

// Shows what the metadata say of a package, word by word, to a callback, until it
// has seen enough. They return whether it wants more.
struct Visit {
    void *context;
    int (*visit)(void *, bgz_word, const char *);

    bool operator()(bgz_word kind, const std::string &word) const;
    // What it provides, requires, supplements and contains.
    bool words(zypp::sat::Solvable solvable) const;
    bool obsoletes(zypp::sat::Solvable solvable) const;

private:
    bool show(zypp::sat::Solvable solvable, zypp::Dep which, bgz_word kind) const;
};

// All packages of a name, installed or on offer.
std::vector<zypp::sat::Solvable> named(zypp::IdString name);

// The installed packages that go when rpm installs `fresh`.
std::vector<zypp::sat::Solvable> replaced_by(zypp::sat::Solvable fresh);

}

struct bgz_session {
    zypp::ZYpp::Ptr zypp;
    zypp::RepoManagerOptions options;
    std::vector<bgz::Step> steps;
    std::vector<std::string> problems;

    explicit bgz_session(const zypp::Pathname &root) : options(root) {}

    const bgz::Step &step(size_t index) const { return steps.at(index); }
    bgz::Step &step(size_t index) { return steps.at(index); }
};

namespace bgz {

// Gives every step that comes the indices of those that go for it. What goes
// for it and has no step yet gets one.
void link_replaced(bgz_session &session);

}

#endif
