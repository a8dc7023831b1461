// SPDX-License-Identifier: GPL-2.0-or-later
// Asking libzypp's solver, with the settings that zypper gives it.

#include <zypp/Capability.h>
#include <zypp/Patch.h>
#include <zypp/PoolItemBest.h>
#include <zypp/PoolQuery.h>
#include <zypp/ResPool.h>
#include <zypp/ResPoolProxy.h>
#include <zypp/Resolver.h>
#include <zypp/ResolverProblem.h>
#include <zypp/sat/SolvAttr.h>
#include <zypp/sat/Transaction.h>
#include <zypp/sat/WhatProvides.h>
#include <zypp/ui/Selectable.h>

#include "guard.h"
#include "session.h"

using namespace bgz;
using zypp::ui::Selectable;

namespace {

// The solver and the pool keep what earlier questions left in them.
void forget(zypp::Resolver &resolver)
{
    if (resolver.upgradeMode()) {
        resolver.setUpgradeMode(false);
        // doUpdate() goes by the mode of the last resolvePool().
        resolver.resolvePool();
    }
    resolver.setUpdateMode(false);
    resolver.removeUpgradeRepos();
    resolver.reset();
    for (const zypp::Capability &capability : resolver.getRequire())
        resolver.removeRequire(capability);
    for (const zypp::PoolItem &item : zypp::ResPool::instance())
        item.status().resetTransact(zypp::ResStatus::USER);
}

bool is_installed(const zypp::Capability &capability)
{
    for (zypp::sat::Solvable provider : zypp::sat::WhatProvides(capability))
        if (provider.isSystem())
            return true;
    return false;
}

// One word of `zypper install`: a name or a glob with or without version and
// architecture, or else a capability. A package that is there already is
// brought to the version zypper would bring it to.
void select(bgz_session &session, const std::string &word)
{
    const zypp::Capability wish = zypp::Capability::guessPackageSpec(word);
    const zypp::CapDetail detail = wish.detail();
    const zypp::sat::Solvable::SplitIdent ident(detail.name());
    zypp::PoolQuery query;
    query.addKind(ident.kind());
    query.setMatchGlob();
    query.setCaseSensitive(true);
    query.addDependency(zypp::sat::SolvAttr::name, ident.name().asString(), detail.op(),
                        detail.ed(), zypp::Arch(detail.arch()));
    const zypp::PoolItemBest best(query.begin(), query.end());
    for (const zypp::PoolItem &match : best) {
        Selectable::Ptr selectable = Selectable::get(match);
        zypp::PoolItem wanted = match;
        if (selectable->hasInstalledObj() && !selectable->multiversionInstall()) {
            const bool is_bare = !detail.isVersioned() && !detail.hasArch();
            if (is_bare && selectable->updateCandidateObj())
                wanted = selectable->updateCandidateObj();
            if (wanted.edition() <= selectable->installedObj().edition())
                continue;
        }
        selectable->setOnSystem(wanted, zypp::ResStatus::USER);
    }
    if (!best.empty())
        return;
    if (zypp::sat::WhatProvides(wish).empty())
        session.problems.push_back("no repository offers '" + word + "'");
    else if (!is_installed(wish))
        session.zypp->resolver()->addRequire(wish);
}

// The needed patches. Like zypper: those for the package manager itself first
// and alone, because the others are chosen by what that one then knows.
void select_patches(bgz_session &session)
{
    const zypp::ResPoolProxy proxy = zypp::ResPool::instance().proxy();
    std::vector<Selectable::Ptr> needed, first;
    for (auto it = proxy.byKindBegin<zypp::Patch>(); it != proxy.byKindEnd<zypp::Patch>(); ++it) {
        const zypp::Patch::constPtr patch = zypp::asKind<zypp::Patch>((*it)->candidateObj());
        if (!patch || !(*it)->isNeeded() || (*it)->isUnwanted()
            || patch->categoryEnum() == zypp::Patch::CAT_OPTIONAL)
            continue;
        needed.push_back(*it);
        if (patch->restartSuggested())
            first.push_back(*it);
    }
    if (!first.empty() && first.size() < needed.size())
        session.problems.push_back(
            "patches for the package manager come first; the other needed patches are not in this answer");
    for (const Selectable::Ptr &selectable : first.empty() ? needed : first)
        selectable->setToInstall(zypp::ResStatus::USER);
}

bool solve(bgz_session &session, bgz_verb verb)
{
    zypp::Resolver &resolver = *session.zypp->resolver();
    resolver.setForceResolve(false);
    resolver.resetOnlyRequires();
    resolver.setIgnoreAlreadyRecommended(verb != BGZ_DIST_UPGRADE);
    switch (verb) {
    case BGZ_UPDATE:
        resolver.doUpdate();
        return resolver.problems().empty();
    case BGZ_DIST_UPGRADE:
        return resolver.doUpgrade();
    default:
        return resolver.resolvePool();
    }
}

void tell_problems(bgz_session &session)
{
    for (const zypp::ResolverProblem_Ptr &problem : session.zypp->resolver()->problems()) {
        std::string text = problem->description();
        if (!problem->details().empty())
            text += "\n" + problem->details();
        session.problems.push_back(text);
    }
}

void collect(bgz_session &session)
{
    const zypp::sat::Transaction transaction = session.zypp->resolver()->getTransaction();
    for (const zypp::sat::Transaction::Step &step : transaction.action()) {
        const zypp::sat::Solvable solvable = step.satSolvable();
        if (!solvable.isKind<zypp::Package>() || solvable.isSystem())
            continue;
        const bool is_beside = step.stepType() == zypp::sat::Transaction::TRANSACTION_MULTIINSTALL;
        session.steps.push_back(describe(is_beside ? BGZ_COMES_BESIDE : BGZ_COMES, solvable));
    }
    // In the transaction, what an upgrade replaces is no action of its own.
    for (const zypp::PoolItem &item : zypp::ResPool::instance())
        if (item.isKind<zypp::Package>() && item.status().isInstalled()
            && item.status().isToBeUninstalled())
            session.steps.push_back(describe(BGZ_GOES, item.satSolvable()));
    link_replaced(session);
}

}

extern "C" BGZ_EXPORT int bgz_resolve(struct bgz_session *session, enum bgz_verb verb,
                                      const char *const *packages, size_t count)
{
    return guarded([&] {
        session->steps.clear();
        forget(*session->zypp->resolver());
        const size_t problems = session->problems.size();
        if (verb == BGZ_INSTALL) {
            for (size_t index = 0; index < count; ++index)
                select(*session, packages[index]);
            if (session->problems.size() > problems)
                return;
        } else if (verb == BGZ_PATCH) {
            select_patches(*session);
        }
        if (solve(*session, verb))
            collect(*session);
        else
            tell_problems(*session);
    });
}
