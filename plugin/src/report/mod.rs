//! Reports: what was found, as text and as JSON.
