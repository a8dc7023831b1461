// SPDX-License-Identifier: GPL-2.0-or-later
// The door between C++ and C: no exception passes.
#ifndef BTF_GUARD_ZYPP_GUARD_H
#define BTF_GUARD_ZYPP_GUARD_H

#include <exception>
#include <string>

#include <zypp/ZYppFactory.h>
#include <zypp/base/Exception.h>

#include "zypp_shim.h"

#define BGZ_EXPORT __attribute__((visibility("default")))

namespace bgz {

// Where a callback said that it is enough.
struct Stopped {};

// Keeps the words for bgz_error(). Never throws: where there is no memory for
// them, a fixed text stands in.
void remember(const std::string &words) noexcept;

// Runs `work` and turns whatever it throws into a code.
template <class Work>
int guarded(Work &&work) noexcept
{
    try {
        try {
            work();
            return BGZ_OK;
        } catch (const Stopped &) {
            remember("stopped");
            return BGZ_STOPPED;
        } catch (const zypp::ZYppFactoryException &error) {
            remember(error.asUserString());
            return BGZ_LOCKED;
        } catch (const zypp::Exception &error) {
            remember(error.asUserHistory());
        } catch (const std::exception &error) {
            remember(error.what());
        } catch (...) {
            remember("an exception of an unknown kind");
        }
    } catch (...) {
        // The words themselves could not be had.
        remember(std::string());
    }
    return BGZ_FAILED;
}

}

#endif
