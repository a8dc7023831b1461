// SPDX-License-Identifier: GPL-2.0-or-later
// Loading the repositories as zypper does, without questions.

#include <zypp/RepoInfo.h>
#include <zypp/ResPool.h>

#include "guard.h"
#include "session.h"
#include "watch.h"

using namespace bgz;

namespace {

void refresh_if_due(zypp::RepoManager &manager, const zypp::RepoInfo &repository, bool refresh)
{
    if (refresh && (repository.autorefresh() || manager.metadataStatus(repository).empty()))
        manager.refreshMetadata(repository, zypp::RepoManager::RefreshIfNeeded);
    manager.buildCache(repository, zypp::RepoManager::BuildIfNeeded);
}

}

extern "C" BGZ_EXPORT int bgz_load(struct bgz_session *session, int refresh,
                                   const struct bgz_watch *watch)
{
    return guarded([&] {
        Asker asker(watch);
        WatchFiles files(asker);
        zypp::RepoManager manager(session->options);
        for (const zypp::RepoInfo &repository : manager.repos()) {
            if (!repository.enabled())
                continue;
            if (!asker.going_on(-1))
                throw Stopped();
            try {
                refresh_if_due(manager, repository, refresh);
            } catch (const zypp::Exception &error) {
                asker.leave_if_stopped();
                session->problems.push_back("repository " + repository.alias() + ": "
                                            + error.asUserHistory());
            }
            // What is cached is better than nothing, and the problem is told.
            try {
                if (manager.isCached(repository))
                    manager.loadFromCache(repository);
            } catch (const zypp::Exception &error) {
                session->problems.push_back("repository " + repository.alias()
                                            + " is left out: " + error.asUserHistory());
            }
        }
        asker.leave_if_stopped();
    });
}
