// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A module for the tests: does nothing, with types of its own and of the kernel's,
 * so that its BTF refers to a base.
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/skbuff.h>

struct btf_guard_probe_entry {
	struct list_head btf_guard_probe_list;
	struct sk_buff *btf_guard_probe_buffer;
	u64 btf_guard_probe_seen;
};

struct btf_guard_probe_table {
	struct btf_guard_probe_entry btf_guard_probe_first;
	struct inode *btf_guard_probe_inode;
	unsigned int btf_guard_probe_count;
};

static struct btf_guard_probe_table btf_guard_probe_known;

u64 btf_guard_probe_total(struct btf_guard_probe_table *table, struct inode *inode);

u64 btf_guard_probe_total(struct btf_guard_probe_table *table, struct inode *inode)
{
	table->btf_guard_probe_inode = inode;
	return table->btf_guard_probe_first.btf_guard_probe_seen + table->btf_guard_probe_count;
}
EXPORT_SYMBOL_GPL(btf_guard_probe_total);

static int __init btf_guard_probe_start(void)
{
	INIT_LIST_HEAD(&btf_guard_probe_known.btf_guard_probe_first.btf_guard_probe_list);
	return 0;
}

static void __exit btf_guard_probe_stop(void)
{
	btf_guard_probe_known.btf_guard_probe_count = 0;
}

module_init(btf_guard_probe_start);
module_exit(btf_guard_probe_stop);
MODULE_DESCRIPTION("What the tests of btf-guard build");
MODULE_LICENSE("GPL");
