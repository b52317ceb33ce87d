//! Whose function it is: the program's own, or one of those that every allocation goes through.
//!
//! By its name, as people write it. A method counts by the type that it is implemented for, not by the trait: the `clone`
//! of a type of the program is the program's. Where the type says nothing - a slice, a tuple, a parameter - the trait does.

/// Whose function it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The program's, or that of a library that it uses.
    Own,
    /// The allocator's: a function that is called for memory. What it calls has names of its own.
    Allocator,
    /// Rust's standard library's: containers, for the most part.
    Std,
    /// What runs before the program does, and what starts its threads.
    StartUp,
    /// The C library's or the C++ library's.
    System,
}

/// The crates that come with Rust, and those that stand between it and the allocator.
const STD: [&str; 6] = ["alloc", "core", "std", "hashbrown", "std_detect", "proc_macro"];
const ALLOCATORS: [&str; 5] = ["tikv_jemallocator", "tikv_jemalloc_sys", "jemallocator", "jemalloc_sys", "__rustc"];
const PREFIXES: [&str; 7] = ["_rjem_", "__rjem_", "je_", "__rust_", "__rg_", "__rdl_", "_Zn"];
const FUNCTIONS: [&str; 14] = [
    "malloc",
    "calloc",
    "realloc",
    "posix_memalign",
    "aligned_alloc",
    "memalign",
    "valloc",
    "pvalloc",
    "reallocarray",
    "mallocx",
    "rallocx",
    "xallocx",
    "__libc_malloc",
    "__libc_calloc",
];
const START_UP: [&str; 10] = [
    "_start",
    "__libc_start_main",
    "__libc_start_main_impl",
    "__libc_start_call_main",
    "start_thread",
    "clone",
    "clone3",
    "__clone",
    "__clone3",
    "__clone_internal",
];
/// Beginnings of the file names of the libraries that are the system's.
const SYSTEM: [&str; 9] =
    ["libc.so", "libc-", "ld-linux", "ld-musl", "libpthread", "libgcc_s", "libstdc++", "libc++", "[vdso]"];

/// Whose function a name is of, in the file of this name.
pub(crate) fn kind(name: &str, file: &str) -> Kind {
    if START_UP.contains(&name) {
        return Kind::StartUp;
    }
    if FUNCTIONS.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Kind::Allocator;
    }
    if is_system(file) {
        return Kind::System;
    }
    let root = root(name);
    if ALLOCATORS.contains(&root) {
        Kind::Allocator
    } else if STD.contains(&root) {
        Kind::Std
    } else {
        Kind::Own
    }
}

/// Whether a file with this name is the system's: whatever is in it, with a name or without, is not the program's own.
pub(crate) fn is_system(file: &str) -> bool {
    SYSTEM.iter().any(|system| file.starts_with(system))
}

/// The crate that a name begins with.
fn root(name: &str) -> &str {
    let Some(implementation) = name.strip_prefix('<') else { return first(name) };
    let (of, via) = implemented(implementation);
    let of = bare(of);
    // What is no path is of no crate: a slice, a tuple, a primitive, a parameter, and those have methods of their own only
    // in the standard library.
    let is_path = of.contains("::") && !of.starts_with(['[', '(']);
    match (is_path, via) {
        // `<<my::Type as my::Trait>::Item as core::clone::Clone>::clone`
        (true, _) if of.starts_with('<') => root(of),
        (true, _) => first(of),
        (false, Some(via)) => first(via),
        (false, None) => "core",
    }
}

/// Of `Type as Trait>::method` the type and the trait.
fn implemented(text: &str) -> (&str, Option<&str>) {
    let mut depth = 0_u32;
    let mut of = None;
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' | '[' => depth = depth.saturating_add(1),
            // Not the end of `fn() -> T`.
            '>' if text.get(..at).is_some_and(|before| before.ends_with('-')) => {}
            '>' if depth == 0 => {
                let inside = text.get(..at).unwrap_or_default();
                return match of {
                    Some(end) => (
                        inside.get(..end).unwrap_or_default(),
                        inside.get(end..).and_then(|via| via.strip_prefix(" as ")),
                    ),
                    None => (inside, None),
                };
            }
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 && of.is_none() && text.get(at..).is_some_and(|rest| rest.starts_with(" as ")) => {
                of = Some(at)
            }
            _ => {}
        }
    }
    // Cut before its end.
    match of {
        Some(end) => (text.get(..end).unwrap_or_default(), text.get(end..).and_then(|via| via.strip_prefix(" as "))),
        None => (text, None),
    }
}

/// A type without what makes it a reference, a pointer or an object.
fn bare(mut of: &str) -> &str {
    loop {
        let shorter = ["&", "mut ", "*const ", "*mut ", "dyn "].iter().find_map(|prefix| of.strip_prefix(prefix));
        let shorter = shorter.or_else(|| of.strip_prefix('\'').and_then(|of| of.split_once(' ')).map(|(_, of)| of));
        match shorter {
            Some(shorter) => of = shorter,
            None => return of,
        }
    }
}

/// The first part of a path.
fn first(path: &str) -> &str {
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    path.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_function_is_of_whom_its_name_says() {
        use Kind::*;
        for (name, is) in [
            ("service::cache::Cache::insert", Own),
            ("<service::Cache as core::clone::Clone>::clone", Own),
            ("<&service::Cache as core::fmt::Debug>::fmt", Own),
            ("<&'a mut service::Cache as core::fmt::Debug>::fmt", Own),
            ("<dyn service::Part>::grow", Own),
            ("<service::f::{closure#0} as core::ops::function::FnOnce<()>>::call_once", Own),
            ("service::main::{{closure}}", Own),
            ("service::<impl core::clone::Clone for service::Cache>::clone", Own),
            ("<[u8] as service::Hold>::hold", Own),
            ("<fn() -> u8 as service::Hold>::hold", Own),
            ("<<service::A as service::B>::C as core::clone::Clone>::clone", Own),
            ("<T as service::Hold>::hold", Own),
            ("std_like::run", Own),
            ("prof::run", Own),
            ("main", Own),
            ("<alloc::vec::Vec<service::Row> as core::clone::Clone>::clone", Std),
            ("<alloc::vec::Vec<T> as alloc::vec::spec_from_iter::SpecFromIter<T,I>>::from_iter", Std),
            ("<alloc::raw_vec::RawVec<u8>>::grow_one", Std),
            ("alloc::raw_vec::RawVecInner<A>::finish_grow", Std),
            ("core::ptr::drop_in_place<service::Cache>", Std),
            ("std::thread::local::LocalKey<T>::with", Std),
            ("hashbrown::raw::RawTable<T,A>::reserve_rehash", Std),
            ("<T as core::convert::Into<U>>::into", Std),
            ("<[T] as alloc::borrow::ToOwned>::to_owned", Std),
            ("<str>::to_owned", Std),
            ("<(service::A, service::B) as core::clone::Clone>::clone", Std),
            ("<&mut F as core::ops::function::FnOnce<A>>::call_once", Std),
            ("<alloc::vec::Vec<(service::A, fn() -> service::B)> as core::clone::Clone>::cl", Std),
            ("_rjem_malloc", Allocator),
            ("_rjem_je_prof_backtrace", Allocator),
            ("__rust_alloc", Allocator),
            ("__rustc::__rust_alloc", Allocator),
            ("__rg_realloc", Allocator),
            ("<tikv_jemallocator::Jemalloc as core::alloc::global::GlobalAlloc>::alloc", Allocator),
            ("posix_memalign", Allocator),
            ("_Znwm", Allocator),
            ("_start", StartUp),
        ] {
            assert_eq!(kind(name, "service"), is, "{name}");
        }
        assert_eq!(kind("qsort", "libc.so.6"), System);
        assert_eq!(kind("__libc_start_main", "libc.so.6"), StartUp);
    }

    proptest! {
        #[test]
        fn any_name_is_of_somebody(name: String, odd in "[<>a-z:&' \\-()]{0,40}") {
            kind(&name, "");
            kind(&odd, &name);
        }
    }
}
