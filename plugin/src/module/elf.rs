//! ELF section tables.
