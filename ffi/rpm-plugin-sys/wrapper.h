// SPDX-License-Identifier: GPL-2.0-or-later
/* What the plugin needs of librpm. The functions come from librpm's public
 * headers; rpmPluginOpts() is exported by every librpm but declared publicly
 * only since rpm 4.20, in <rpm/rpmplugin.h>. */
#include <dlfcn.h>

#include <rpm/rpmfiles.h>
#include <rpm/rpmio.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmmacro.h>
#include <rpm/rpmte.h>
#include <rpm/rpmts.h>

const char *rpmPluginOpts(rpmPlugin plugin);
