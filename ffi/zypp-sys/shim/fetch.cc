// SPDX-License-Identifier: GPL-2.0-or-later
// Bringing packages into libzypp's cache.

#include <stdexcept>

#include <zypp/ManagedFile.h>
#include <zypp/Package.h>
#include <zypp/repo/PackageProvider.h>
#include <zypp/repo/RepoProvideFile.h>

#include "guard.h"
#include "session.h"
#include "watch.h"

using namespace bgz;

namespace {

bool is_offered(const Step &step)
{
    return step.solvable && !step.solvable.isSystem();
}

// What led to an exception, without its own words: here they are that the user
// wanted it so, because nobody answered.
std::string causes(const zypp::Exception &error)
{
    std::string text;
    for (auto it = error.historyBegin(); it != error.historyEnd(); ++it)
        text += (text.empty() ? "" : "; ") + *it;
    return text;
}

}

extern "C" {

BGZ_EXPORT int bgz_cached(struct bgz_session *session, size_t index, const char **path)
{
    return guarded([&] {
        Step &step = session->step(index);
        if (is_offered(step))
            if (auto package = zypp::make<zypp::Package>(step.solvable))
                step.path = package->cachedLocation().asString();
        *path = step.path.empty() ? nullptr : step.path.c_str();
    });
}

// The same way that a commit takes, one package at a time: signatures and
// checksums are checked as the repository is configured.
BGZ_EXPORT int bgz_fetch(struct bgz_session *session, size_t index, const struct bgz_watch *watch,
                         const char **path)
{
    return guarded([&] {
        *path = nullptr;
        Step &step = session->step(index);
        if (!is_offered(step))
            throw std::invalid_argument("no repository offers it");
        Asker asker(watch);
        WatchFiles files(asker);
        WatchPackage package(asker);
        zypp::repo::RepoMediaAccess access;
        const zypp::repo::PackageProvider provider(access, zypp::PoolItem(step.solvable));
        try {
            zypp::ManagedFile file = provider.providePackage();
            // It stays, whatever the repository's keeppackages says.
            file.resetDispose();
            step.path = file->asString();
        } catch (const zypp::Exception &error) {
            asker.leave_if_stopped();
            const std::string cause = causes(error);
            if (!cause.empty())
                throw std::runtime_error(cause);
            if (!package.words.empty())
                throw std::runtime_error(package.words);
            throw;
        }
        *path = step.path.c_str();
    });
}

}
