// SPDX-License-Identifier: GPL-2.0-or-later
// Steps: what replaces what, and what the metadata say of a package.

#include <map>

#include <zypp/Capability.h>
#include <zypp/Package.h>
#include <zypp/sat/LookupAttr.h>
#include <zypp/sat/SolvAttr.h>
#include <zypp/sat/WhatProvides.h>

#include "guard.h"
#include "session.h"

namespace bgz {

namespace {

bool is_noarch(zypp::sat::Solvable solvable)
{
    return solvable.arch() == zypp::Arch_noarch;
}

}

// Every package provides its name. To ask for that needs libsolv's index alone, and
// not an object of libzypp's for every package there is.
std::vector<zypp::sat::Solvable> named(zypp::IdString name)
{
    std::vector<zypp::sat::Solvable> found;
    for (zypp::sat::Solvable solvable : zypp::sat::WhatProvides(zypp::Capability(name.id())))
        if (solvable.ident() == name && solvable.isKind<zypp::Package>())
            found.push_back(solvable);
    return found;
}

// rpm's rules: an upgrade takes away every version of the same name (and, on
// systems with two architectures, of the same one), and what the new package
// obsoletes by its name, not by what it provides.
std::vector<zypp::sat::Solvable> replaced_by(zypp::sat::Solvable fresh)
{
    std::vector<zypp::sat::Solvable> old;
    for (const zypp::sat::Solvable installed : named(fresh.ident())) {
        if (installed.isSystem()
            && (installed.arch() == fresh.arch() || is_noarch(installed) || is_noarch(fresh)))
            old.push_back(installed);
    }
    for (const zypp::Capability &obsoleted : fresh[zypp::Dep::OBSOLETES]) {
        for (zypp::sat::Solvable installed : zypp::sat::WhatProvides(obsoleted)) {
            if (!installed.isSystem() || !installed.isKind<zypp::Package>()
                || installed.ident() == fresh.ident())
                continue;
            const zypp::Capability self(installed.name(), zypp::Rel::EQ, installed.edition());
            if (self.matches(obsoleted) == zypp::CapMatch::yes)
                old.push_back(installed);
        }
    }
    return old;
}

void link_replaced(bgz_session &session)
{
    std::map<zypp::sat::Solvable, size_t> going;
    for (size_t index = 0; index < session.steps.size(); ++index)
        if (session.steps[index].action == BGZ_GOES && session.steps[index].solvable)
            going[session.steps[index].solvable] = index;
    const size_t count = session.steps.size();
    for (size_t index = 0; index < count; ++index) {
        if (session.steps[index].action != BGZ_COMES || !session.steps[index].solvable)
            continue;
        for (zypp::sat::Solvable old : replaced_by(session.steps[index].solvable)) {
            const auto found = going.emplace(old, session.steps.size());
            if (found.second)
                session.steps.push_back(describe(BGZ_GOES, old));
            session.steps[index].replaces.push_back(found.first->second);
        }
    }
}

namespace {

const char *or_null(const std::string &text)
{
    return text.empty() ? nullptr : text.c_str();
}

}

}

namespace bgz {

bool Visit::operator()(bgz_word kind, const std::string &word) const
{
    return visit(context, kind, word.c_str());
}

bool Visit::show(zypp::sat::Solvable solvable, zypp::Dep which, bgz_word kind) const
{
    for (const zypp::Capability &capability : solvable[which])
        if (!(*this)(kind, capability.asString()))
            return false;
    return true;
}

bool Visit::words(zypp::sat::Solvable solvable) const
{
    if (!show(solvable, zypp::Dep::PROVIDES, BGZ_PROVIDES)
        || !show(solvable, zypp::Dep::REQUIRES, BGZ_REQUIRES)
        || !show(solvable, zypp::Dep::SUPPLEMENTS, BGZ_SUPPLEMENTS))
        return false;
    const zypp::sat::LookupAttr files(zypp::sat::SolvAttr::filelist, solvable);
    for (auto it = files.begin(); it != files.end(); ++it)
        if (!(*this)(BGZ_FILE, it.asString()))
            return false;
    return true;
}

bool Visit::obsoletes(zypp::sat::Solvable solvable) const
{
    return show(solvable, zypp::Dep::OBSOLETES, BGZ_OBSOLETES);
}

}

using namespace bgz;

extern "C" {

BGZ_EXPORT size_t bgz_step_count(const struct bgz_session *session)
{
    return session->steps.size();
}

BGZ_EXPORT int bgz_get_step(const struct bgz_session *session, size_t index, struct bgz_step *step)
{
    return guarded([&] {
        const Step &ours = session->step(index);
        *step = {};
        step->action = ours.action;
        step->epoch = ours.epoch;
        step->name = ours.name.c_str();
        step->version = ours.version.c_str();
        step->release = ours.release.c_str();
        step->arch = ours.arch.c_str();
        step->repository = or_null(ours.repository);
        step->location = or_null(ours.location);
        step->checksum = or_null(ours.checksum);
        step->size = ours.size;
        step->replaces = ours.replaces.data();
        step->replaces_count = ours.replaces.size();
    });
}

BGZ_EXPORT int bgz_words(const struct bgz_session *session, size_t index, void *context,
                         int (*visit)(void *context, enum bgz_word kind, const char *word))
{
    return guarded([&] {
        const zypp::sat::Solvable solvable = session->step(index).solvable;
        if (solvable)
            Visit{context, visit}.words(solvable);
    });
}

}
