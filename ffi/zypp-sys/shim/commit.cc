// SPDX-License-Identifier: GPL-2.0-or-later
// A commit that another process has decided on: finding its packages.

#include <set>
#include <utility>

#include <zypp/Package.h>
#include <zypp/RepoInfo.h>

#include "guard.h"
#include "session.h"

using namespace bgz;

namespace {

std::string text(const char *from)
{
    return from ? from : "";
}

std::string label(const Step &step)
{
    return step.name + "-" + step.version + "-" + step.release + "." + step.arch;
}

// The commit does not say which repository a package comes from. Where several
// have it, libzypp prefers the better priority, and after that the one that was
// loaded first.
zypp::sat::Solvable find(bgz_session &session, const Step &step)
{
    const zypp::IdString ident(step.name);
    zypp::sat::Solvable best;
    unsigned best_priority = 0;
    std::set<std::string> contents;
    for (const zypp::sat::Solvable solvable : named(ident)) {
        const zypp::Edition edition = solvable.edition();
        // As text: rpm's order calls editions equal that are not the same.
        if (solvable.isSystem() != (step.action == BGZ_GOES) || edition.epoch() != step.epoch
            || edition.version() != step.version || edition.release() != step.release
            || solvable.arch().asString() != step.arch)
            continue;
        const unsigned priority = solvable.isSystem() ? 0 : solvable.repository().info().priority();
        contents.insert(describe(step.action, solvable).checksum);
        if (!best || std::make_pair(priority, solvable.id()) < std::make_pair(best_priority, best.id())) {
            best = solvable;
            best_priority = priority;
        }
    }
    if (contents.size() > 1)
        session.problems.push_back(label(step) + " is offered with different contents; taken is that of "
                                   + best.repository().alias());
    return best;
}

}

extern "C" BGZ_EXPORT int bgz_commit(struct bgz_session *session, const struct bgz_step *steps,
                                     size_t count)
{
    return guarded([&] {
        session->steps.clear();
        for (size_t index = 0; index < count; ++index) {
            Step step;
            step.action = steps[index].action;
            step.epoch = steps[index].epoch;
            step.name = text(steps[index].name);
            step.version = text(steps[index].version);
            step.release = text(steps[index].release);
            step.arch = text(steps[index].arch);
            if (const zypp::sat::Solvable found = find(*session, step))
                step = describe(step.action, found);
            else if (step.action != BGZ_GOES)
                session->problems.push_back("no repository offers " + label(step));
            session->steps.push_back(step);
        }
        link_replaced(*session);
    });
}
