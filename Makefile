# SPDX-License-Identifier: GPL-2.0-or-later
# What can be done here: `make help`.
#
# Everything a target needs is installed by it through the system's package
# manager, when it is missing: see tests/setup/deps.sh.

PREFIX ?= /usr
DESTDIR ?=
CARGO ?= cargo
CARGO_TARGET_DIR ?= target

# Where rpm looks for plugins and macros, as rpm itself says. On Debian this is
# not where its package puts plugins; docs/distributions.md tells why rpm's word
# is taken all the same.
RPM_PLUGIN_DIR ?= $(shell rpm --eval '%{__plugindir}')
RPM_MACRO_DIR ?= $(shell rpm --eval '%{_rpmmacrodir}')

# What helps to build packages of modules, where rpmbuild and OBS look for it.
RPM_CONFIG_DIR ?= $(shell rpm --eval '%{_rpmconfigdir}')
RPM_ATTR_DIR ?= $(shell rpm --eval '%{_fileattrsdir}')
OBS_CHECK_DIR ?= /usr/lib/build/checks

# Whether the part for zypper is built and installed: where libzypp's headers
# are. ZYPP= leaves it out.
ZYPP ?= $(shell pkg-config --exists libzypp 2>/dev/null && echo yes)

# Where others look for what they are to run, whatever PREFIX is.
KERNEL_INSTALL_DIR ?= /usr/lib/kernel/install.d
DKMS_DIR ?= /etc/dkms/framework.conf.d
DNF4_DIR ?= /etc/dnf/plugins/post-transaction-actions.d
DNF5_DIR ?= /etc/dnf/libdnf5-plugins/actions.d
UNIT_DIR ?= /usr/lib/systemd/system

# What brings missing tools; a package build has them, or must fail: DEPS=:
DEPS ?= tests/setup/deps.sh

export CARGO CARGO_TARGET_DIR

bin_dir = $(PREFIX)/bin
lib_dir = $(PREFIX)/lib/btf-guard
commit_dir = $(PREFIX)/lib/zypp/plugins/commit
subcommand_dir = $(PREFIX)/lib/zypper/commands
# Where the program looks for it, whatever PREFIX is.
config_dir = /usr/share/btf-guard
man_dir = $(PREFIX)/share/man/man1
bash_dir = $(PREFIX)/share/bash-completion/completions
zsh_dir = $(PREFIX)/share/zsh/site-functions
automatic_dir = $(PREFIX)/share/btf-guard/automatic
fish_dir = $(PREFIX)/share/fish/vendor_completions.d

release = $(CARGO_TARGET_DIR)/release
program = $(release)/btf-guard
plugin = $(release)/libbtf_guard_rpm.so
fetcher = $(release)/btf-guard-zypp-fetch
shim = $(release)/libbtf_guard_zypp.so
committer = $(release)/btf-guard-zypp
zypp_parts = $(if $(ZYPP),$(fetcher) $(shim) $(committer))
generated = $(CARGO_TARGET_DIR)/generated

# Named by where they go; each may be a template (.in) that learns where the
# program lies.
build_macros = $(wildcard specfile/macros.btf_guard*)
build_attrs = $(wildcard specfile/*.attr specfile/*.attr.in)
build_scripts = $(wildcard specfile/brp-* specfile/*.prov* specfile/*.req*)
build_checks = $(wildcard specfile/[0-9][0-9]-check-*)

.PHONY: build test oracle demo bench fuzz rpm deps install install-rpm-macros clean distclean help

# The plugins learn here where what they start will be installed.
build: deps $(if $(ZYPP),$(shim))
	BTF_GUARD_BINDIR=$(bin_dir) BTF_GUARD_LIBDIR=$(lib_dir) \
		$(CARGO) build --release --locked -p btf-guard -p btf-guard-rpm \
		$(if $(ZYPP),-p btf-guard-zypp-fetch -p btf-guard-zypp)

# Around the libzypp that is installed here.
$(release)/libbtf_guard_zypp.so: $(wildcard ffi/zypp-sys/shim/*) | deps
	mkdir -p $(@D)
	ffi/zypp-sys/shim/build.sh $@

deps:
	@$(DEPS) build $(if $(ZYPP),zypp)

test:
	tests/setup/test.sh

oracle:
	tests/setup/oracle.sh all

demo: build
	tests/setup/demo.sh $(program) $(plugin)

bench: build
	tests/setup/bench.sh $(program) $(plugin)

fuzz: deps
	tests/setup/fuzz.sh

# Packages of what is committed, into target/rpm.
rpm:
	@$(DEPS) build $(if $(ZYPP),zypp) rpm
	specfile/build.sh

# Builds only when nothing is built yet, so that `sudo make install` after
# `make` does not compile as root. The macro comes last: rpm loads the plugin
# only once it is there, and then all else is in place.
install: install-rpm-macros
	for part in $(program) $(plugin) $(zypp_parts); do \
		test -f $$part || { $(MAKE) build && break; } || exit 1; \
	done
	test -n "$(RPM_PLUGIN_DIR)" -a -n "$(RPM_MACRO_DIR)"
	rm -rf $(generated)
	mkdir -p $(generated)/man $(generated)/completions
	$(program) generate man $(generated)/man
	$(program) generate completions $(generated)/completions
	install -D -m 755 $(program) $(DESTDIR)$(bin_dir)/btf-guard
	install -D -m 644 specfile/btf-guard.toml $(DESTDIR)$(config_dir)/btf-guard.toml
	install -d -m 755 $(DESTDIR)$(man_dir)
	install -m 644 $(generated)/man/btf-guard*.1 $(DESTDIR)$(man_dir)
	install -D -m 644 $(generated)/completions/btf-guard.bash $(DESTDIR)$(bash_dir)/btf-guard
	install -D -m 644 $(generated)/completions/_btf-guard $(DESTDIR)$(zsh_dir)/_btf-guard
	install -D -m 644 $(generated)/completions/btf-guard.fish $(DESTDIR)$(fish_dir)/btf-guard.fish
	$(if $(ZYPP),install -d -m 755 $(DESTDIR)$(lib_dir))
	$(if $(ZYPP),install -m 755 $(fetcher) $(DESTDIR)$(lib_dir)/btf-guard-zypp-fetch)
	$(if $(ZYPP),install -m 755 $(shim) $(DESTDIR)$(lib_dir)/libbtf_guard_zypp.so)
	$(if $(ZYPP),install -D -m 755 $(committer) $(DESTDIR)$(commit_dir)/btf-guard)
	$(if $(ZYPP),install -m 644 $(generated)/man/zypper-btf-guard*.1 $(DESTDIR)$(man_dir))
	$(if $(ZYPP),install -d -m 755 $(DESTDIR)$(subcommand_dir))
	$(if $(ZYPP),ln -sf ../../../bin/btf-guard $(DESTDIR)$(subcommand_dir)/zypper-btf-guard)
	install -D -m 755 $(plugin) $(DESTDIR)$(RPM_PLUGIN_DIR)/btf_guard.so
	for file in hooks/kernel-install/98-btf-guard.install hooks/dkms/btf-guard.conf \
		hooks/dnf/btf-guard.action hooks/dnf/btf-guard.actions; do \
		sed 's|@BIN_DIR@|$(bin_dir)|g' $$file.in > $(generated)/$${file##*/} || exit 1; \
	done
	install -D -m 755 $(generated)/98-btf-guard.install \
		$(DESTDIR)$(KERNEL_INSTALL_DIR)/98-btf-guard.install
	install -D -m 644 $(generated)/btf-guard.conf $(DESTDIR)$(DKMS_DIR)/btf-guard.conf
	install -D -m 644 $(generated)/btf-guard.action $(DESTDIR)$(DNF4_DIR)/btf-guard.action
	install -D -m 644 $(generated)/btf-guard.actions $(DESTDIR)$(DNF5_DIR)/btf-guard.actions
	install -d -m 755 $(DESTDIR)$(UNIT_DIR)
	for unit in btf-guard-boot btf-guard-status; do \
		sed 's|@BIN_DIR@|$(bin_dir)|g' units/$$unit.service.in > $(generated)/$$unit.service && \
		install -m 644 $(generated)/$$unit.service $(DESTDIR)$(UNIT_DIR) || exit 1; \
	done
	install -m 644 units/*.timer units/*.path $(DESTDIR)$(UNIT_DIR)
	for file in $$(cd units/automatic && find . -type f); do \
		sed 's|@BIN_DIR@|$(bin_dir)|g' units/automatic/$$file > $(generated)/automatic && \
		install -D -m 644 $(generated)/automatic $(DESTDIR)$(automatic_dir)/$${file%.in} || exit 1; \
	done
	sed -e 's|@PLUGIN_DIR@|$(RPM_PLUGIN_DIR)|' -e 's|@BIN_DIR@|$(bin_dir)|' \
		specfile/macros.transaction_btf_guard.in > $(generated)/macros.transaction_btf_guard
	install -D -m 644 $(generated)/macros.transaction_btf_guard \
		$(DESTDIR)$(RPM_MACRO_DIR)/macros.transaction_btf_guard

# Where it comes from, its mode, where it goes.
define install_build_file
	sed 's|@BIN_DIR@|$(bin_dir)|g' $(1) | \
		install -D -m $(2) /dev/stdin $(DESTDIR)$(3)/$(notdir $(1:.in=))

endef

install-rpm-macros:
	$(foreach file,$(build_macros),$(call install_build_file,$(file),644,$(RPM_MACRO_DIR)))
	$(foreach file,$(build_attrs),$(call install_build_file,$(file),644,$(RPM_ATTR_DIR)))
	$(foreach file,$(build_scripts),$(call install_build_file,$(file),755,$(RPM_CONFIG_DIR)))
	$(foreach file,$(build_checks),$(call install_build_file,$(file),755,$(OBS_CHECK_DIR)))

# What was fetched stays: .cache holds kernels and tools.
clean:
	$(CARGO) clean
	rm -rf .cache/demo

distclean: clean
	rm -rf .cache

help:
	@echo 'make            build the program and the rpm plugin (release)'
	@echo 'make test       everything that is checked, on real kernels and with the real rpm'
	@echo 'make oracle     every case that real kernels are asked, in QEMU (docs/accuracy.md)'
	@echo 'make demo       the main job on real input, command by command'
	@echo 'make bench      speed and memory against libbpf, depmod, rpm; each beside its limit'
	@echo 'make fuzz       60 s of fuzzing for each target'
	@echo 'make rpm        packages of the last commit, without network, into target/rpm'
	@echo 'make install    DESTDIR= PREFIX=/usr RPM_PLUGIN_DIR= RPM_MACRO_DIR= ZYPP='
	@echo 'make deps       what building needs, by the system package manager'
	@echo 'make clean      remove what was built; distclean: what was fetched too'
