// SPDX-License-Identifier: GPL-2.0-or-later
/* Prints the layout of librpm's own declaration of the hook table, a name and
 * a number a line. The two assignments do not compile if a hook that the
 * plugin implements has another signature than the plugin's. */
#include <stddef.h>
#include <stdio.h>

#include <rpm/rpmplugin.h>

static rpmRC init(rpmPlugin plugin, rpmts ts) { (void)plugin; (void)ts; return RPMRC_OK; }
static void cleanup(rpmPlugin plugin) { (void)plugin; }

struct rpmPluginHooks_s signatures = { .init = init, .cleanup = cleanup, .tsm_pre = init };

#define PLACE(hook) printf(#hook " %zu\n", offsetof(struct rpmPluginHooks_s, hook))

int main(void)
{
    PLACE(init);
    PLACE(cleanup);
    PLACE(tsm_pre);
    PLACE(tsm_post);
    PLACE(psm_pre);
    PLACE(psm_post);
    PLACE(scriptlet_pre);
    PLACE(scriptlet_fork_post);
    PLACE(scriptlet_post);
    PLACE(fsm_file_pre);
    PLACE(fsm_file_post);
    PLACE(fsm_file_prepare);
    printf("size %zu\n", sizeof(struct rpmPluginHooks_s));
    return 0;
}
