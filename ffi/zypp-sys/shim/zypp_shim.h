// SPDX-License-Identifier: GPL-2.0-or-later
/* What btf-guard needs of libzypp, as C.
 *
 * libzypp speaks C++, its soname changes with every feature, and it allows one
 * target and one pool a process. The shim is built for one libzypp and loaded
 * at run time; only this header is known to Rust.
 *
 * No function throws. Those that return `int` return one of `bgz_code`, and
 * bgz_error() then has the words. Nothing here may be called from two threads
 * at once, nor from a callback. Strings belong to the shim: those of a step
 * live until the next bgz_resolve(), bgz_commit() or bgz_close(), those of a
 * callback until it returns. They are as the repositories have them: any bytes
 * but NUL, any length. */
#ifndef BTF_GUARD_ZYPP_SHIM_H
#define BTF_GUARD_ZYPP_SHIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised with every change that an older caller would misread. */
#define BGZ_ABI 2

enum bgz_code {
    BGZ_OK = 0,
    /* libzypp or the C++ library says no. */
    BGZ_FAILED = 1,
    /* Another program holds libzypp's lock. */
    BGZ_LOCKED = 2,
    /* A callback said that it is enough. */
    BGZ_STOPPED = 3
};

enum bgz_verb {
    BGZ_UPDATE = 0,
    BGZ_DIST_UPGRADE = 1,
    BGZ_PATCH = 2,
    BGZ_INSTALL = 3
};

enum bgz_action {
    BGZ_COMES = 0,
    BGZ_GOES = 1,
    /* It comes, and other versions of it stay. */
    BGZ_COMES_BESIDE = 2
};

enum bgz_word {
    BGZ_PROVIDES = 0,
    BGZ_REQUIRES = 1,
    BGZ_SUPPLEMENTS = 2,
    BGZ_FILE = 3,
    BGZ_OBSOLETES = 4,
    /* The name of a package, installed or on offer, whose words follow. */
    BGZ_INSTALLED = 5,
    BGZ_OFFERED = 6
};

enum bgz_flags {
    /* Does without the lock: for a child of the program that holds it. */
    BGZ_LOCK_IS_OURS = 1
};

struct bgz_session;

/* Called now and then while something is fetched; 0 ends it. `percent` is -1
 * where it is not the package that is being fetched. */
struct bgz_watch {
    void *context;
    int (*going_on)(void *context, int32_t percent);
};

/* A package that comes or goes. NULL where there is none or libzypp does not
 * know it. */
struct bgz_step {
    enum bgz_action action;
    uint32_t epoch;
    const char *name;
    const char *version;
    const char *release;
    const char *arch;
    const char *repository;
    const char *location;
    const char *checksum;
    uint64_t size;
    /* The steps that go because this one comes. */
    const size_t *replaces;
    size_t replaces_count;
};

/* BGZ_ABI of the shim. */
uint32_t bgz_abi(void);

/* What the last call that failed has to say; never NULL. */
const char *bgz_error(void);

/* Opens the root at the absolute path `root` and reads what is installed.
 * There can be one session at a time. */
int bgz_open(const char *root, uint32_t flags, struct bgz_session **session);

/* NULL does nothing. */
void bgz_close(struct bgz_session *session);

/* Loads the enabled repositories, with `refresh` after a look at whether they
 * have changed. One that cannot be had is a problem, not a failure. */
int bgz_load(struct bgz_session *session, int refresh, const struct bgz_watch *watch);

/* Lets the solver choose. Where it cannot, there are problems and no steps. */
int bgz_resolve(struct bgz_session *session, enum bgz_verb verb,
                const char *const *packages, size_t count);

/* Takes a commit's steps as decided, and finds their packages. Of a step only
 * action, epoch, name, version, release and arch are read. */
int bgz_commit(struct bgz_session *session, const struct bgz_step *steps, size_t count);

size_t bgz_step_count(const struct bgz_session *session);

/* `index` is less than bgz_step_count(). */
int bgz_get_step(const struct bgz_session *session, size_t index, struct bgz_step *step);

/* Shows what a step's package provides, requires, supplements and (as far as
 * the metadata tell) contains, until `visit` returns 0. */
int bgz_words(const struct bgz_session *session, size_t index, void *context,
              int (*visit)(void *context, enum bgz_word kind, const char *word));

/* Shows every package that is installed or on offer, one after the other: its
 * name, then the words that bgz_words() shows and what it obsoletes. Where `visit`
 * returns 0, the next package is shown. */
int bgz_packages(const struct bgz_session *session, void *context,
                 int (*visit)(void *context, enum bgz_word kind, const char *word));

/* Where the cache has the package of a step; NULL where it has not. */
int bgz_cached(struct bgz_session *session, size_t index, const char **path);

/* Brings the package of a step into the cache and leaves it there. */
int bgz_fetch(struct bgz_session *session, size_t index, const struct bgz_watch *watch,
              const char **path);

/* The directory that the cache for packages is in. */
const char *bgz_cache(const struct bgz_session *session);

/* What is missing and why, a text each; they may have several lines. */
size_t bgz_problem_count(const struct bgz_session *session);
const char *bgz_problem(const struct bgz_session *session, size_t index);

#ifdef __cplusplus
}
#endif

#endif
