//! What the programs of the kernel side share.
#![no_std]
