// SPDX-License-Identifier: GPL-2.0-or-later
// libzypp's progress reports, turned into one callback that can end it all.
#ifndef BTF_GUARD_ZYPP_WATCH_H
#define BTF_GUARD_ZYPP_WATCH_H

#include <string>

#include <zypp/ZYppCallbacks.h>

#include "guard.h"
#include "zypp_shim.h"

namespace bgz {

// Asks the caller whether to go on, and remembers a no: libzypp turns it into
// an exception of one kind or another, or goes on with the next mirror.
class Asker {
public:
    explicit Asker(const bgz_watch *watch) : watch(watch) {}

    bool going_on(int percent)
    {
        if (!is_stopped && watch && !watch->going_on(watch->context, percent))
            is_stopped = true;
        return !is_stopped;
    }

    void leave_if_stopped() const
    {
        if (is_stopped)
            throw Stopped();
    }

private:
    const bgz_watch *watch;
    bool is_stopped = false;
};

// Any file that is fetched, metadata included. curl calls it while it waits, too.
class WatchFiles : public zypp::callback::ReceiveReport<zypp::media::DownloadProgressReport> {
public:
    explicit WatchFiles(Asker &asker) : asker(asker) { connect(); }

    bool progress(int, const zypp::Url &, double, double) override
    {
        return asker.going_on(-1);
    }

private:
    Asker &asker;
};

// The package that is fetched.
class WatchPackage : public zypp::callback::ReceiveReport<zypp::repo::DownloadResolvableReport> {
public:
    explicit WatchPackage(Asker &asker) : asker(asker) { connect(); }

    bool progress(int percent, zypp::Resolvable::constPtr) override
    {
        return asker.going_on(percent);
    }

    // libzypp asks the user what to do: nobody is here to answer.
    Action problem(zypp::Resolvable::constPtr, Error, const std::string &description) override
    {
        words = description;
        return ABORT;
    }

    // What libzypp would have asked about.
    std::string words;

private:
    Asker &asker;
};

}

#endif
