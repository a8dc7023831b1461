// SPDX-License-Identifier: GPL-2.0-or-later
//! First inputs of the fuzz targets that read text: what each of them reads, as its
//! writer writes it. Parts of one input have a NUL between them.

/// A target, a name for the input, the input.
pub const TEXTS: &[(&str, &str, &str)] = &[
    (
        "kmsg",
        "refused",
        "\x106,0,1,-;Linux version 6.18\n\
         4,812,5,-;BPF: [114893] STRUCT aegis_block \n SUBSYSTEM=x\n\
         4,813,5,-;BPF:  \n\
         4,814,5,-;failed to validate module [aegis-128] BTF: -22\n",
    ),
    (
        "needed",
        "machine",
        "kernel/fs/xfs/xfs.ko.xz: kernel/lib/libcrc32c.ko.xz\nkernel/lib/libcrc32c.ko.xz:\n\
         kernel/drivers/virtio/virtio-pci.ko:\n\0\
         alias fs-xfs xfs\nalias pci:v00001AF4d*sv*sd[0-9a-f-]*i* virtio-pci\n\
         alias rtnl-link-bond bonding\nalias x\\*y?z xfs\n\0\
         pci:v00001AF4d00001041sv0sd0bc02sc00i00\n\0\
         wireguard 94208 0 - Live 0x0\nx*yzz 1 0 - Live 0x0\n\0\
         quiet modprobe.blacklist=nouveau,virtio-net\n\0\
         21 1 254:0 / / rw,noatime shared:1 - xfs /dev/mapper/root rw\n\
         22 1 0:30 /@ /usr rw - btrfs /dev/vda2 rw\n\0\
         # no\nblacklist xfs\n\0# none\n\nvirtio_pci opt=1\n; no\n\0\
         UUID=1 / xfs defaults 0 1\na:/ /mnt nfs4,wireguard ro\nUUID=3 none swap sw 0 0\n\0\
         DEVTYPE=bond\nINTERFACE=one\n",
    ),
    (
        "process",
        "stat",
        "7 (a) (b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1 1\n",
    ),
    (
        "config",
        "both",
        "mode = \"block\"\non_error = \"warn\"\n[severity.now]\nrefused = \"warn\"\n\
         [severity.boot]\nloads-no-btf = \"info\"\n[severity_if_needed.now]\nbtf-wrong = \"block\"\n\
         [log]\njsonl = true\n[[rule]]\npackage = [\"a-*\", \"[a-c]?\"]\nmodule = \"b-*\"\n\
         vendor = \"*\"\nrelease = \"6.*\"\nverdict = [\"refused\", \"no-modules\"]\nmoment = \"now\"\n\
         severity = \"info\"\nreason = \"known\"\nexpires = 2027-01-31\n\0\
         log.jsonl = \"/var/log/x\"\nrule = [{severity = \"block\", expires = \"6.12\"}]\n\0\
         quiet btf_guard=off btf_guard=warn -- btf_guard=x\n\0 Block\0a-b-1:2-3.noarch",
    ),
    (
        "overrides",
        "allow",
        "2027-01-31 14:00\0\
         {\"schema\":1,\"id\":\"01234abc\",\"wish\":\"allow\",\"package\":\"a-*\",\"reason\":\"so\",\
         \"written\":1795000000,\"until\":1799999999,\"boot\":null,\
         \"by\":{\"uid\":0,\"login_uid\":1000,\"sudo_user\":\"me\",\"sudo_uid\":1000}}\0\
         {\"schema\":2,\"decision\":\"warn\",\"messages\":[],\"once\":[\"01234abc\"],\
         \"overrides\":[{\"source\":\"one-shot\",\"id\":\"01234abc\",\"reason\":\"so\"}],\
         \"fallback\":{\"decision\":\"block\",\"messages\":[{\"level\":\"error\",\"text\":\"no\"}]}}",
    ),
    ("overrides", "while", "+1d12h\0{}\0{}"),
    (
        "standing",
        "findings",
        "{\"schema\":2,\"checked\":5,\"findings\":[{\"module\":\"/lib/modules/6.1/a.ko\",\
         \"name\":\"a\",\"package\":\"a-1-1.noarch\",\"kernel\":{\"release\":\"6.1\",\
         \"target\":\"boot\",\"source\":\"/boot/vmlinuz\"},\"verdict\":\"refused\",\
         \"cause\":\"btf\",\"errno\":-22,\"log\":\"[1] INT\",\"severity\":\"warn\",\
         \"used_by_host\":[\"loaded\"],\"since\":3,\"client\":\"rpm\",\"judged\":null}]}\0\
         {\"schema\":2,\"kernels\":[{\"id\":0,\"release\":\"6.1\",\"build\":null,\
         \"target\":\"now\",\"source\":\"running\",\"default\":false,\"stale\":null,\
         \"same_kernel_paths\":[],\"package\":null,\"base\":{\"types\":1,\"strings\":1,\
         \"sha256\":\"00\"},\"features\":{\"kinds\":20,\"distilled_base\":true,\
         \"module_btf\":true,\"allow_mismatch\":false},\"config\":null,\
         \"modules_checked\":1,\"names_machine\":true}],\
         \"modules\":[{\"path\":\"/lib/b.ko\",\"name\":\"b\",\"package\":\"p\",\
         \"initrd\":null,\"release\":\"6.1\",\"in_tree\":true,\
         \"used_by_host\":[\"loaded\"],\"btf\":{\"present\":true,\"distilled\":false,\
         \"bytes\":7,\"built_for\":null},\"verdicts\":[{\"kernel\":0,\
         \"verdict\":\"refused\",\"cause\":\"btf\",\"errno\":-22,\
         \"reason\":{\"rule\":\"invalid-name\",\"section\":\".BTF\",\"type\":{\"id\":7,\
         \"kind\":\"STRUCT\",\"name\":\"x\",\"size_or_type\":8,\"vlen\":1,\
         \"kind_flag\":false,\"words\":[],\"parameters\":[]},\"element\":null},\
         \"log\":[\"x\"],\"evidence\":[],\"assumed\":[\"allow_mismatch\"],\"notes\":[],\
         \"severity\":\"block\",\"max_severity\":\"block\",\"rule\":null,\
         \"preexisting\":false}],\"names_machine\":true}],\"errors\":[],\
         \"summary\":{\"modules\":1,\"loads\":0,\"loads-no-btf\":0,\"btf-discarded\":0,\
         \"btf-wrong\":0,\"refused\":1,\"no-modules\":0,\"unbootable\":0,\"stale-copy\":0,\"driver-lost\":0,\"unknown\":0},\
         \"by_target\":{\"now\":{\"summary\":{\"modules\":1,\"loads\":0,\
         \"loads-no-btf\":0,\"btf-discarded\":0,\"btf-wrong\":0,\"refused\":1,\
         \"no-modules\":0,\"unbootable\":0,\"stale-copy\":0,\"driver-lost\":0,\"unknown\":0},\"decision\":\"warn\"}},\"initrds\":[],\
         \"problems\":null,\"notes\":[],\"decision\":\"warn\"}",
    ),
    (
        "answer",
        "block",
        "{\"schema\":2,\"decision\":\"block\",\"messages\":[{\"level\":\"error\",\"text\":\"no\"},\
         {\"level\":\"notice\",\"text\":\"  help: wait\"}],\"keys\":[\"a\"],\
         \"overrides\":[{\"source\":\"rule\",\"id\":\"/etc/x:1\",\"reason\":\"so\"}],\
         \"once\":[],\"fallback\":null,\
         \"kernels\":[{\"id\":0,\"release\":\"6.1\",\"build\":null,\"target\":\"now\",\
         \"source\":\"running\",\"default\":false,\"stale\":null,\
         \"same_kernel_paths\":[],\"package\":null,\"base\":{\"types\":1,\"strings\":1,\
         \"sha256\":\"00\"},\"features\":{\"kinds\":20,\"distilled_base\":true,\
         \"module_btf\":true,\"allow_mismatch\":false},\"config\":null,\
         \"modules_checked\":1,\"names_machine\":true}],\
         \"modules\":[{\"path\":\"/lib/b.ko\",\"name\":\"b\",\"package\":\"p\",\
         \"initrd\":null,\"release\":\"6.1\",\"in_tree\":true,\
         \"used_by_host\":[\"loaded\"],\"btf\":{\"present\":true,\"distilled\":false,\
         \"bytes\":7,\"built_for\":null},\"verdicts\":[{\"kernel\":0,\
         \"verdict\":\"refused\",\"cause\":\"btf\",\"errno\":-22,\
         \"reason\":{\"rule\":\"invalid-name\",\"section\":\".BTF\",\"type\":{\"id\":7,\
         \"kind\":\"STRUCT\",\"name\":\"x\",\"size_or_type\":8,\"vlen\":1,\
         \"kind_flag\":false,\"words\":[],\"parameters\":[]},\"element\":null},\
         \"log\":[\"x\"],\"evidence\":[],\"assumed\":[\"allow_mismatch\"],\"notes\":[],\
         \"severity\":\"block\",\"max_severity\":\"block\",\"rule\":null,\
         \"preexisting\":false}],\"names_machine\":true}],\"errors\":[],\
         \"summary\":{\"modules\":1,\"loads\":0,\"loads-no-btf\":0,\"btf-discarded\":0,\
         \"btf-wrong\":0,\"refused\":1,\"no-modules\":0,\"unbootable\":0,\"stale-copy\":0,\"driver-lost\":0,\"unknown\":0},\
         \"by_target\":{\"now\":{\"summary\":{\"modules\":1,\"loads\":0,\
         \"loads-no-btf\":0,\"btf-discarded\":0,\"btf-wrong\":0,\"refused\":1,\
         \"no-modules\":0,\"unbootable\":0,\"stale-copy\":0,\"driver-lost\":0,\"unknown\":0},\"decision\":\"warn\"}},\"initrds\":[],\
         \"problems\":null,\"notes\":[]}",
    ),
    (
        "answer",
        "event",
        "{\"schema\":2,\"time\":7,\"client\":\"dnf\",\"stage\":\"pre\",\"test\":false,\
         \"root\":\"/\",\"outcome\":\"proceeded\",\"overrides\":[],\"who\":{\"uid\":0},\
         \"answer\":{\"schema\":1},\"failure\":\"no\"}",
    ),
    (
        "handoff",
        "left",
        "{\"schema\":1,\"pid\":7,\"started\":8,\"root\":\"/\",\"pending\":true,\"looked\":9,\
         \"reported\":[\"a\"],\"unshown\":[]}\0\
         {\"schema\":1,\"pid\":7,\"started\":8,\"boot\":\"b\",\"written\":9,\"root\":\"/\",\
         \"decision\":\"block\",\"messages\":[{\"level\":\"error\",\"text\":\"no\"}],\
         \"keys\":[\"a\"],\"judged\":[\"a-0:1-1.noarch\"]}\0\
         state.json\nzypp-1-2.json\n.zypp-1-2.reported.3\0\
         {\"schema\":\"1 of 0.1.0\",\"state\":{\"repositories\":\"00\",\"installed\":\"11\"},\
         \"names\":[\"a\",\"b\"]}",
    ),
    (
        "cache",
        "entry",
        "\x01{\"version\":2,\"base_sha256\":\"\",\"release\":\"6.1\",\"build\":\"#1\",\
         \"build_id\":null,\"machine\":{\"number\":62,\"is_64\":true,\"big_endian\":false,\
         \"elf_type\":1},\"config\":\"CONFIG_X=y\"}\nbase",
    ),
    (
        "programs",
        "all",
        "{\"rpms\":[{\"nevra\":\"a-1:2-1.noarch\",\"action\":\"Install\",\
         \"package_path\":\"./packages/a.rpm\"},{\"nevra\":\"b-1-1.noarch\",\
         \"action\":\"Replaced\"}]}\0\
         ---> Package kernel-core.x86_64 1:2-1 will be installed\n\
         ---> Package tool.noarch 2-1 will be a downgrade\nNothing to do.\n\0\
         Na-1-1.noarch\nP/lib/modules/6.1/a.ko\npackage b is not installed\n\0\
         {\"schema\":1,\"root\":\"/\",\"ask\":{\"resolve\":{\"verb\":\"in\",\
         \"packages\":[\"a\"]}},\"fetch\":\"all\"}\0\
         {\"progress\":{\"package\":\"a\",\"done\":1,\"total\":2,\"index\":1,\"of\":1}}\n\
         {\"result\":{\"steps\":[],\"problems\":[\"p\"]}}\n{\"error\":{\"what\":\"no\"}}\n",
    ),
];
