// SPDX-License-Identifier: GPL-2.0-or-later
// Opening a root, and what is known of a package.

#include "session.h"

#include <memory>
#include <stdexcept>

#include <zypp/Package.h>
#include <zypp/PathInfo.h>
#include <zypp/ResPool.h>
#include <zypp/Target.h>
#include <zypp/ZYppFactory.h>
#include <zypp/sat/LookupAttr.h>
#include <zypp/sat/SolvAttr.h>

// libzypp warns of this header at every inclusion (the Makefile turns that
// off); there is no other way to work beside the program that holds the lock.
#include <zypp/zypp_detail/ZYppReadOnlyHack.h>

#include "guard.h"

namespace bgz {

namespace {

thread_local std::string last_error;
thread_local bool has_words = true;

// The pool and the target are libzypp's globals: a second session would change
// what the first one sees.
bool is_open = false;

struct Claim {
    Claim()
    {
        if (is_open)
            throw std::logic_error("there is a session already");
        is_open = true;
    }
    ~Claim()
    {
        if (!is_kept)
            is_open = false;
    }
    bool is_kept = false;
};

}

void remember(const std::string &words) noexcept
{
    try {
        last_error = words;
        has_words = true;
    } catch (...) {
        has_words = false;
    }
}

// As text: from 17.38 on, libzypp keeps the members of its CheckSum to itself.
static std::string checksum(zypp::sat::Solvable solvable)
{
    const zypp::sat::LookupAttr attribute(zypp::sat::SolvAttr::checksum, solvable);
    if (attribute.empty())
        return std::string();
    std::string text = attribute.begin().asString();
    const size_t dash = text.find('-');
    if (dash == std::string::npos)
        return std::string();
    text[dash] = ':';
    return text;
}

Step describe(bgz_action action, zypp::sat::Solvable solvable)
{
    Step step;
    step.action = action;
    step.solvable = solvable;
    step.name = solvable.name();
    step.epoch = solvable.edition().epoch();
    step.version = solvable.edition().version();
    step.release = solvable.edition().release();
    step.arch = solvable.arch().asString();
    if (solvable.isSystem())
        return step;
    step.repository = solvable.repository().alias();
    if (auto package = zypp::make<zypp::Package>(solvable)) {
        const zypp::OnMediaLocation location = package->location();
        step.location = location.filename().asString();
        step.size = location.downloadSize();
    }
    step.checksum = checksum(solvable);
    return step;
}

}

using namespace bgz;

extern "C" {

BGZ_EXPORT uint32_t bgz_abi(void)
{
    return BGZ_ABI;
}

BGZ_EXPORT const char *bgz_error(void)
{
    return has_words && !last_error.empty() ? last_error.c_str() : "no more is known";
}

BGZ_EXPORT int bgz_open(const char *root, uint32_t flags, struct bgz_session **session)
{
    return guarded([&] {
        *session = nullptr;
        Claim claim;
        const zypp::Pathname path(root);
        // libzypp would make the directory.
        if (!path.absolute() || !zypp::PathInfo(path).isDir())
            throw std::invalid_argument(path.asString() + " is no directory");
        if (flags & BGZ_LOCK_IS_OURS) {
            zypp::zypp_readonly_hack::IWantIt();
        }
        auto fresh = std::make_unique<bgz_session>(path);
        fresh->zypp = zypp::getZYpp();
        fresh->zypp->initializeTarget(path);
        fresh->zypp->target()->load();
        *session = fresh.release();
        claim.is_kept = true;
    });
}

BGZ_EXPORT void bgz_close(struct bgz_session *session)
{
    if (!session)
        return;
    guarded([&] {
        std::unique_ptr<bgz_session> last(session);
        is_open = false;
        last->steps.clear();
        zypp::ResPool::instance().resolver().reset();
        const std::vector<zypp::Repository> repositories(
            zypp::ResPool::instance().knownRepositoriesBegin(),
            zypp::ResPool::instance().knownRepositoriesEnd());
        for (zypp::Repository repository : repositories)
            repository.eraseFromPool();
        last->zypp->finishTarget();
    });
}

BGZ_EXPORT const char *bgz_cache(const struct bgz_session *session)
{
    return session->options.repoPackagesCachePath.c_str();
}

BGZ_EXPORT size_t bgz_problem_count(const struct bgz_session *session)
{
    return session->problems.size();
}

BGZ_EXPORT const char *bgz_problem(const struct bgz_session *session, size_t index)
{
    return index < session->problems.size() ? session->problems[index].c_str() : "";
}

}
