// SPDX-License-Identifier: GPL-2.0-or-later
// All packages that libzypp knows of.

#include <zypp/Package.h>
#include <zypp/sat/LookupAttr.h>
#include <zypp/sat/Pool.h>
#include <zypp/sat/SolvAttr.h>

#include "guard.h"
#include "session.h"

using namespace bgz;

extern "C" {

BGZ_EXPORT int bgz_packages(const struct bgz_session *, void *context,
                            int (*visit)(void *context, enum bgz_word kind, const char *word))
{
    return guarded([&] {
        const zypp::sat::Pool pool = zypp::sat::Pool::instance();
        const Visit seen{context, visit};
        for (auto it = pool.solvablesBegin(); it != pool.solvablesEnd(); ++it) {
            const zypp::sat::Solvable solvable = *it;
            if (!solvable.isKind<zypp::Package>())
                continue;
            const bgz_word beginning = solvable.isSystem() ? BGZ_INSTALLED : BGZ_OFFERED;
            if (seen(beginning, solvable.name()))
                seen.words(solvable) && seen.obsoletes(solvable);
        }
    });
}

}
