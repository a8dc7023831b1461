// SPDX-License-Identifier: GPL-2.0-or-later
/* A stand-in for a shim that belongs to another version of the program, and
 * whose libraries print when they are loaded. The real one can be had in a root
 * with libzypp only, and never prints. */
#include <stdint.h>
#include <stdio.h>

__attribute__((constructor)) static void print(void)
{
    puts("noise");
    fflush(stdout);
}

uint32_t bgz_abi(void) { return 999; }

#define NEVER_CALLED(name) void name(void) {}
NEVER_CALLED(bgz_cache)
NEVER_CALLED(bgz_cached)
NEVER_CALLED(bgz_close)
NEVER_CALLED(bgz_commit)
NEVER_CALLED(bgz_error)
NEVER_CALLED(bgz_fetch)
NEVER_CALLED(bgz_get_step)
NEVER_CALLED(bgz_load)
NEVER_CALLED(bgz_open)
NEVER_CALLED(bgz_packages)
NEVER_CALLED(bgz_problem)
NEVER_CALLED(bgz_problem_count)
NEVER_CALLED(bgz_resolve)
NEVER_CALLED(bgz_step_count)
NEVER_CALLED(bgz_words)
