//! Kernel images: from a file to its base BTF.
