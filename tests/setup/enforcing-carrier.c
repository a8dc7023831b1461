// SPDX-License-Identifier: GPL-2.0-or-later
/* A module that does nothing, so that only the BTF put into it is judged. */
#include <linux/module.h>

static int __init carrier_init(void)
{
	return 0;
}

static void __exit carrier_exit(void)
{
}

module_init(carrier_init);
module_exit(carrier_exit);
MODULE_DESCRIPTION("Carries BTF into the kernel");
MODULE_LICENSE("GPL");
/* Built out of tree, but no log line shall say so between those that count. */
MODULE_INFO(intree, "Y");
