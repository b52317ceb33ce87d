//! jemalloc's name space of values as typed keys: a name is resolved once, then read by number.
#![allow(unsafe_code, reason = "mallctl is a C function that takes pointers to values of a type that the key decides")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr;

use tikv_jemalloc_sys as sys;

/// The deepest name has five parts: `stats.arenas.4096.small.nmalloc`.
const DEPTH: usize = 6;

/// A resolved name of a value of type `T`.
#[derive(Debug)]
pub(crate) struct Key<T> {
    mib: [usize; DEPTH],
    depth: usize,
    value: PhantomData<fn() -> T>,
}

/// The types of values: plain numbers, for which any bits are a value, so that a key of the wrong type is a wrong number
/// or an error and never undefined.
pub(crate) trait Value: Copy {
    /// What jemalloc writes.
    type Raw: Copy + Default;

    fn from_raw(raw: Self::Raw) -> Self;
}

impl Value for u64 {
    type Raw = Self;

    fn from_raw(raw: Self) -> Self {
        raw
    }
}

impl Value for usize {
    type Raw = Self;

    fn from_raw(raw: Self) -> Self {
        raw
    }
}

impl Value for bool {
    // As a byte, since a bool of any other bits than 0 and 1 would be undefined.
    type Raw = u8;

    fn from_raw(raw: u8) -> Self {
        raw != 0
    }
}

impl<T> Key<T> {
    /// Looks `name` up; `None` where this jemalloc has no such key.
    pub(crate) fn resolve(name: &CStr) -> Option<Self> {
        let mut mib = [0; DEPTH];
        let mut depth = DEPTH;
        // SAFETY: jemalloc(3), mallctlnametomib: the name ends with a zero byte, `mib` has room for `depth` numbers, and
        // no more than that are written.
        let code = unsafe { sys::mallctlnametomib(name.as_ptr(), mib.as_mut_ptr(), &mut depth) };
        (code == 0 && depth <= DEPTH).then_some(Self { mib, depth, value: PhantomData })
    }
}

impl Key<()> {
    /// Does what a key without a value stands for, or gives the error code.
    pub(crate) fn call(&self) -> Result<(), c_int> {
        // SAFETY: jemalloc(3), mallctlbymib: `mib` holds `depth` numbers from mallctlnametomib; a null `oldp` and `newp` read
        // and write nothing, and where the key has a value after all, they change none.
        let code = unsafe {
            sys::mallctlbymib(self.mib.as_ptr(), self.depth, ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), 0)
        };
        if code == 0 { Ok(()) } else { Err(code) }
    }
}

impl Key<&CStr> {
    /// Writes a text, or gives the error code.
    pub(crate) fn write(&self, text: &CStr) -> Result<(), c_int> {
        let mut text = text.as_ptr();
        // SAFETY: jemalloc(3), mallctlbymib: `mib` holds `depth` numbers from mallctlnametomib; `newp` leads to a pointer of
        // the size that is given, and where the key takes a text it reads that up to its zero byte and keeps none of it.
        // Where it takes something else of this size, it reads a number.
        let code = unsafe {
            sys::mallctlbymib(
                self.mib.as_ptr(),
                self.depth,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::from_mut(&mut text).cast(),
                size_of::<*const c_char>(),
            )
        };
        if code == 0 { Ok(()) } else { Err(code) }
    }
}

impl<T: Value> Key<T> {
    /// The value now, or the error code.
    pub(crate) fn read(&self) -> Result<T, c_int> {
        let mut raw = T::Raw::default();
        let mut size = size_of::<T::Raw>();
        // SAFETY: jemalloc(3), mallctlbymib: `mib` holds `depth` numbers from mallctlnametomib; `oldp` leads to `size`
        // bytes, of which jemalloc writes no more, and any bits are a value of `Raw`; nothing is written to jemalloc.
        let code = unsafe {
            sys::mallctlbymib(
                self.mib.as_ptr(),
                self.depth,
                (&raw mut raw).cast::<c_void>(),
                &mut size,
                ptr::null_mut(),
                0,
            )
        };
        if code == 0 { Ok(T::from_raw(raw)) } else { Err(code) }
    }
}
